"""Read what is sent to an endpoint."""

import re
from collections import Counter
from typing import Any

import msgspec

from infra.gateway.problems import Refused
from schemas.serving_endpoints import Invocation, Split

MOST_RECORDS = 10_000
"""Of one request."""

REMEDY = 'Send {"dataframe_records": [{...}]} or {"dataframe_split": {"columns": [...], "data": [[...]]}}.'

_FIELD = re.compile(r" - at `\$\.?([^`]*)`")
_NAMED = re.compile(r"(?:unknown|required) field `([^`]+)`")

_decoder = msgspec.json.Decoder(Invocation)


def read_records(body: bytes) -> list[dict[str, Any]]:
    """Read the records of a request, whichever of the two ways they are written in.

    Raises:
        Refused: If they cannot be read; says which field is wrong.

    Example:
        >>> read_records(b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"]]}}')
        [{'a': 1, 'b': 'x'}]
    """
    try:
        sent = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _misshapen(str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON object in UTF-8: {error}", REMEDY) from error
    records = _records(sent)
    if len(records) > MOST_RECORDS:
        told = f"{len(records):,} records, at most {MOST_RECORDS:,} are taken at a time"
        raise Refused(413, told, "Send them in several requests.", kind="too_many_records", title="Too many records")
    return records


def _records(sent: Invocation) -> list[dict[str, Any]]:
    if isinstance(sent.dataframe_records, list) and isinstance(sent.dataframe_split, Split):
        raise Refused(400, "dataframe_records and dataframe_split were both sent", "Send one of them.")
    if isinstance(sent.dataframe_records, list):
        return sent.dataframe_records
    if isinstance(sent.dataframe_split, Split):
        return _joined(sent.dataframe_split)
    raise Refused(400, "neither dataframe_records nor dataframe_split was sent", REMEDY)


def _joined(split: Split) -> list[dict[str, Any]]:
    twice, times = Counter(split.columns).most_common(1)[0] if split.columns else ("", 0)
    if times > 1:
        raise Refused(400, f"{times} columns are called {twice!r}", "Rename them.", "dataframe_split.columns")
    wrong = next((place for place, row in enumerate(split.data) if len(row) != len(split.columns)), None)
    if wrong is not None:
        told = f"a row of {len(split.data[wrong])} values, where there are {len(split.columns)} columns"
        raise Refused(400, told, "Send one value for each column, null for none.", f"dataframe_split.data[{wrong}]")
    return [dict(zip(split.columns, row, strict=True)) for row in split.data]


def _misshapen(message: str) -> Refused:
    where, named = _FIELD.search(message), _NAMED.search(message)
    path = where.group(1) if where else ""
    field = ".".join(one for one in (path, named.group(1) if named else "") if one)
    what = _FIELD.sub("", message).replace("Object contains unknown", "there is no").replace("`", "'")
    return Refused(400, f"{field}: {what}" if field else what, REMEDY, field or None)
