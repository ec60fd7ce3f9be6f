"""Vectors in Milvus: 2.3.5, which we start ourselves, and later ones as far as they have the same calls.

``pymilvus`` is imported at the first call and nowhere else: it takes more than half a second.
"""

import json
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np

from infra.vectors.milvus_errors import silence, translated, unreachable
from infra.vectors.vector_store import Floats, VectorHit, VectorQuery, VectorRow, WrongModel

Item = TypeVar("Item")

CONNECT_S = 2.0
SEARCH_S = 5.0
READ_S = 20.0
WRITE_S = 30.0
DECLARE_S = 60.0

ROWS_AT_A_TIME = 1_000
"""Rows of one call: 384 numbers each are 1.5 MB, and a server takes 64 MB."""

LONGEST_KEY = 4096
"""Bytes of a document key; ours have at most 3,201."""

LONGEST_LIST = 4096
"""Principals, or labels, of one row; as many as Milvus allows."""


class MilvusStore:
    """A ``VectorStore``; connects at the first call, and again after the connection broke. Safe between threads.

    Args:
        uri: ``http://host:port``.
        token: ``user:password`` or an API key, where one is wanted.
        search_s: Seconds a search may take; the others have more.

    Example:
        ``MilvusStore("http://127.0.0.1:29530").collections()`` asks a server.
    """

    def __init__(self, uri: str, token: str | None = None, search_s: float = SEARCH_S) -> None:
        self._uri = uri
        self._token = token or ""
        self._search_s = search_s
        self._client: Any = None
        self._lock = threading.Lock()

    def prepare(self, collection: str, model: str, dimensions: int) -> None:
        """Make a collection unless it is there, and load it.

        Raises:
            WrongModel: If it is there with another model or other dimensions.
        """
        if not self._call("has_collection", collection, timeout=READ_S):
            schema = _schema(_identity(model, dimensions), dimensions)
            self._call("create_collection", collection, schema=schema, timeout=DECLARE_S)
        found = self._call("describe_collection", collection, timeout=READ_S)["description"]
        if found != _identity(model, dimensions):
            raise WrongModel(
                f"{collection} holds vectors of {found or 'another program'}, not of {model} ({dimensions} numbers)",
                "Make new ones with `millrace index rebuild`.",
            )
        if self._load_state(collection) != "Loaded":  # new, or whoever made it died before this
            self._call("create_index", collection, _index(), timeout=DECLARE_S)
            self._call("load_collection", collection, timeout=DECLARE_S)

    def upsert(self, collection: str, rows: Sequence[VectorRow]) -> None:
        """Write rows; one that is there with the same id is replaced. Returns when they are acknowledged."""
        latest = list({row.row_id: row for row in rows}.values())
        for some in _batches(latest):
            self._call("upsert", collection, [_entity(row) for row in some], timeout=WRITE_S)

    def delete(self, collection: str, row_ids: Sequence[int]) -> None:
        """Remove rows; those that are not there do not matter."""
        for some in _batches(row_ids):
            self._call("delete", collection, ids=list(some), timeout=WRITE_S)

    def search(self, collection: str, query: VectorQuery) -> list[VectorHit]:
        """Return the nearest rows, best first."""
        if not query.principals:  # nobody sees nothing; and Milvus cannot read an empty list
            return []
        found = self._call(
            "search",
            collection,
            [query.vector],
            filter=_filter(query),
            limit=query.limit,
            search_params={"metric_type": "IP"},
            consistency_level="Strong" if query.newest else "Bounded",
            timeout=self._search_s,
        )
        return [VectorHit(hit["id"], hit["distance"]) for hit in found[0]]

    def row_ids(self, collection: str, after: int, limit: int) -> list[int]:
        """List ids above one, in order, for a comparison with the registry; sees all that was written."""
        return sorted(row["id"] for row in self._query(collection, f"id > {after}", ["id"], limit))

    def of_document(self, collection: str, document_key: str) -> list[int]:
        """List the rows of one document; sees all that was written."""
        found: list[int] = []
        while True:
            more = f"document_key == {_quoted(document_key)} and id > {found[-1] if found else -1}"
            page = sorted(row["id"] for row in self._query(collection, more, ["id"], ROWS_AT_A_TIME))
            found += page
            if len(page) < ROWS_AT_A_TIME:
                return found

    def vectors(self, collection: str, row_ids: Sequence[int]) -> dict[int, Floats]:
        """Read vectors by id; ids that are not there are absent."""
        found: dict[int, Floats] = {}
        for some in _batches(row_ids):
            rows = self._query(collection, f"id in [{_joined(some)}]", ["id", "vector"], len(some))
            found |= {row["id"]: np.asarray(row["vector"], np.float32) for row in rows}
        return found

    def collections(self) -> list[str]:
        """Name all collections."""
        return sorted(self._call("list_collections", timeout=READ_S))

    def drop(self, collection: str) -> None:
        """Remove a collection, if it is there."""
        self._call("drop_collection", collection, timeout=DECLARE_S)

    def flush(self, collection: str) -> None:
        """Seal what was written, so that a restart is quick."""
        self._call("flush", collection, timeout=DECLARE_S)

    def check(self) -> None:
        """Ask every loaded collection for a row: after a restart a server says that it is well long before it is.

        Raises:
            VectorStoreUnreachable: If one does not answer yet.
        """
        for name in self.collections():
            if self._load_state(name) != "NotLoad":  # one that whoever made it has not loaded yet
                self.row_ids(name, -1, 1)

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _query(self, collection: str, expression: str, fields: list[str], limit: int) -> list[dict[str, Any]]:
        """Ask with a limit always: without one a query may drop rows in silence."""
        found = self._call(
            "query",
            collection,
            expression,
            output_fields=fields,
            limit=limit,
            consistency_level="Strong",  # Session does not see deletes
            timeout=READ_S,
        )
        return list(found)

    def _load_state(self, collection: str) -> str:
        return str(self._call("get_load_state", collection, timeout=READ_S)["state"].name)

    def _call(self, method: str, *arguments: Any, **named: Any) -> Any:
        with translated(self._uri, self.close):
            return getattr(self._connected(), method)(*arguments, **named)

    def _connected(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = _connect(self._uri, self._token)
            return self._client


def knock(uri: str) -> None:
    """Try whether anybody listens there; a refusal is told at once, where pymilvus would go on trying.

    Raises:
        VectorStoreUnreachable: If nobody does.
    """
    parts = urlsplit(uri)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 19530)
        socket.create_connection((parts.hostname or "localhost", port), timeout=CONNECT_S).close()
    except (OSError, ValueError) as error:
        raise unreachable(uri, str(error)) from error


def _connect(uri: str, token: str) -> Any:
    knock(uri)
    from pymilvus import MilvusClient  # slow, see above

    silence()
    return MilvusClient(uri, token=token, timeout=CONNECT_S, dedicated=True)


def _schema(description: str, dimensions: int) -> Any:
    from pymilvus import DataType, MilvusClient  # slow, see above

    numbers = {"element_type": DataType.INT64, "max_capacity": LONGEST_LIST}
    schema = MilvusClient.create_schema(description=description, enable_dynamic_field=False)
    schema.add_field("id", DataType.INT64, is_primary=True, auto_id=False)
    schema.add_field("document_key", DataType.VARCHAR, max_length=LONGEST_KEY)
    schema.add_field("tenant", DataType.INT64)
    schema.add_field("principals", DataType.ARRAY, **numbers)
    schema.add_field("labels", DataType.ARRAY, **numbers)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimensions)
    return schema


def _index() -> Any:
    """Exact: HNSW of 2.3.5 loses 16 to 44 % of the right rows when the filter leaves 5 to 20 % of all."""
    from pymilvus import MilvusClient  # slow, see above

    return MilvusClient.prepare_index_params("vector", index_type="FLAT", metric_type="IP")


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), ROWS_AT_A_TIME):
        yield items[start : start + ROWS_AT_A_TIME]


def _identity(model: str, dimensions: int) -> str:
    return json.dumps({"model": model, "dimensions": dimensions})


def _entity(row: VectorRow) -> dict[str, Any]:
    return {
        "id": row.row_id,
        "document_key": row.document_key,
        "tenant": row.tenant,
        "principals": list(row.principals),
        "labels": list(row.labels),
        "vector": row.vector,
    }


def _filter(query: VectorQuery) -> str:
    """Write who may see it, and what it must be, as Milvus reads it.

    Example:
        >>> _filter(VectorQuery(np.zeros(2, np.float32), 10, 5, (1, 2), (3,)))
        'tenant == 5 and array_contains_any(principals, [1,2]) and array_contains_all(labels, [3])'
    """
    parts = [f"tenant == {query.tenant}", f"array_contains_any(principals, [{_joined(query.principals)}])"]
    if query.labels:
        parts.append(f"array_contains_all(labels, [{_joined(query.labels)}])")
    return " and ".join(parts)


def _joined(numbers: Iterable[int]) -> str:
    return ",".join(str(number) for number in numbers)


def _quoted(text: str) -> str:
    """Write a string as Milvus reads it: quotes and backslashes escaped, all else as it is.

    Example:
        >>> print(_quoted('/a "b" ü'))
        "/a \\"b\\" ü"
    """
    return json.dumps(text, ensure_ascii=False)
