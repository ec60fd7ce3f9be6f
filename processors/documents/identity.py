"""Names of what a document is cut into: equal for equal content, so that nothing is embedded twice."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from processors.documents.characters import clean, crumb

LABELS = 64
"""Labels of one document; the first of them in alphabetical order count."""

LABEL_LENGTH = 200
"""Characters of one label, ``name=value``; longer entries are no labels."""

CRUMB_LENGTH = 240
"""Characters of a breadcrumb that are embedded: of a longer one its innermost headings."""

_LONGEST_NUMBER = 2**64


def hash63(text: str) -> int:
    """Return a positive number below 2**63 for a text: what a 64-bit column holds.

    Example:
        >>> hash63("public"), hash63("public") == hash63("Public")
        (8456891474456677165, False)
    """
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest) >> 1) or 1


def tenant_hash(tenant: str | None) -> int:
    """Return the number of a tenant; that of none is no tenant's, as no tenant's name is empty.

    Example:
        >>> tenant_hash(None) == hash63(""), tenant_hash("acme") == hash63("acme")
        (True, True)
    """
    return hash63(tenant or "")


def embedded_text(title: str | None, breadcrumb: str, text: str) -> str:
    """Return what a model sees of a chunk: the headings above it, the document's title first, then its text.

    Args:
        title: Of the document.
        breadcrumb: Headings above the chunk joined by " > "; it may start with the title.
        text: Of the chunk.

    Example:
        >>> embedded_text("Guide", "Install > Linux", "Run it.")
        'Guide > Install > Linux\\nRun it.'
        >>> embedded_text("Guide", "", "Guide")
        'Guide'
    """
    head = crumb(title or "")
    if not f"{breadcrumb} > ".casefold().startswith(f"{head} > ".casefold()):
        breadcrumb = f"{head} > {breadcrumb}" if head and breadcrumb else head or breadcrumb
    head = _innermost(breadcrumb.split(" > "))
    return f"{head}\n{text}" if head and head != text else text


def text_hash(text: str) -> str:
    """Return the hexadecimal hash of an embedded text: the key its vector is kept under.

    Example:
        >>> text_hash("Guide\\nRun it.")
        'ec6c1f852cacf03c0967cc1d120aab8e'
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def chunk_id(document_key: str, text_hash: str, occurrence: int) -> str:
    """Return the name of a chunk: it stays as long as the chunk's text does, wherever in the document it stands.

    Args:
        document_key: See ``schemas.documents.document_key``.
        text_hash: Of what is embedded, see ``text_hash``.
        occurrence: How many chunks of the same text stand before it in the document.

    Example:
        >>> chunk_id("/guide.md", text_hash("Run it."), 0) == chunk_id("/guide.md", text_hash("Run it."), 1)
        False
    """
    return f"{_hash([document_key, text_hash, occurrence]):016x}"


def row_id(document_key: str, chunk_id: str, principals: Iterable[str], labels: Iterable[str], version: int) -> int:
    """Return the id of one row of the vector store, never used for anything else: 1 to 2**63 - 1.

    Args:
        document_key: See ``schemas.documents.document_key``.
        chunk_id: See ``chunk_id``.
        principals: Who may see the document, in any order.
        labels: Of the document, in any order.
        version: Of the document, that brings the row: a chunk that comes back gets another row.

    Example:
        >>> row_id("/a", "c", ["x", "y"], [], 1) == row_id("/a", "c", ["y", "x"], [], 1)
        True
        >>> row_id("/a", "c", ["x"], [], 1) == row_id("/a", "c", ["x"], [], 2)
        False
    """
    return _hash([document_key, chunk_id, sorted(principals), sorted(labels), version])


def labels_of(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return ``name=value`` for every flat entry of a document's metadata, sorted, each once.

    Lists count entry by entry. Nested objects, nulls and entries over 200 characters are no labels, and of more
    than 64 the first count. 2.0 reads 2, as JSON makes no difference between them.

    Example:
        >>> labels_of({"team": "data", "draft": False, "rank": 2.0, "tags": ["a", "b"], "nested": {"a": 1}})
        ('draft=false', 'rank=2', 'tags=a', 'tags=b', 'team=data')
    """
    found = set()
    for name, values in metadata.items():
        for value in values if isinstance(values, list | tuple) else (values,):
            told = _told(value)
            label = None if told is None else clean(f"{name}={told}").strip()
            if label is not None and len(label) <= LABEL_LENGTH:
                found.add(label)
    return tuple(sorted(found)[:LABELS])


def _told(value: object) -> str | None:
    """Return a flat value as it reads in a label, None for any other."""
    if isinstance(value, str):
        return value if len(value) <= LABEL_LENGTH else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not value.is_integer():
        return repr(value)
    if isinstance(value, int | float) and abs(value) < _LONGEST_NUMBER:
        return str(int(value))
    return None


def _innermost(crumbs: list[str]) -> str:
    """Return headings joined, without the outermost that make them too long."""
    kept: list[str] = []
    length = 0
    for heading in reversed(crumbs):
        length += len(heading) + 3
        if kept and length > CRUMB_LENGTH:
            break
        kept.append(heading[:CRUMB_LENGTH])
    return " > ".join(reversed(kept))


def _hash(parts: list[Any]) -> int:
    return hash63(msgspec.json.encode(parts).decode())
