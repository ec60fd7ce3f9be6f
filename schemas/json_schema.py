"""What a topic's record may be, as JSON Schema 2020-12: the contract for producers and readers in any language."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from schemas.documents import Document
from schemas.records import TEXT_LIMIT
from schemas.reviews import Review

JsonSchema = Mapping[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

TEXT_RULE: JsonSchema = {
    "properties": {"text": {"anyOf": [{"type": "string", "maxLength": TEXT_LIMIT}, {"type": "null"}]}},
    "if": {"properties": {"op": {"const": "delete"}}, "required": ["op"]},
    "else": {"properties": {"text": {"type": "string"}}, "required": ["text"]},
}
"""What ``schemas.records.check_text`` asks of a record, which the annotations of its fields do not tell."""

RULES: Mapping[type[msgspec.Struct], JsonSchema] = {Review: TEXT_RULE, Document: TEXT_RULE}
"""The rules of every record with a ``__post_init__``."""

_CHARACTERS = re.compile(r"\^\[\^(.+)\]\+\\Z")
_PYTHON_ONLY = re.compile(r"\\[AZ]")


def json_schema(record: type[msgspec.Struct], topic: str, version: str) -> dict[str, Any]:
    """Describe one topic's record.

    Args:
        record: Its Struct.
        topic: Logical name.
        version: Of the topic, such as ``v1``.

    Raises:
        ValueError: If a pattern means something in Python that it does not mean elsewhere.

    Example:
        >>> schema = json_schema(Review, "reviews", "v1")
        >>> schema["$id"], schema["required"], schema["properties"]["revision"]["minimum"]
        ('urn:millrace:reviews:v1', ['review_id', 'product_id'], 0)
    """
    _, found = msgspec.json.schema_components([record], ref_template="#/$defs/{name}")
    components = {name: _told(schema) for name, schema in found.items()}
    root = components.pop(record.__name__)
    _add_defaults(root["properties"], record)
    rule = RULES.get(record, {})
    for name, more in rule.get("properties", {}).items():
        root["properties"][name] |= more
    root |= {keyword: value for keyword, value in rule.items() if keyword != "properties"}
    schema = {"$schema": DIALECT, "$id": f"urn:millrace:{topic}:{version}", **root}
    return schema | ({"$defs": dict(sorted(components.items()))} if components else {})


def _told(node: Any) -> Any:
    """Write descriptions and patterns as any reader understands them, all the way down."""
    if isinstance(node, list):
        return [_told(one) for one in node]
    if not isinstance(node, dict):
        return node
    told = {key: _told(value) for key, value in node.items()}
    if isinstance(told.get("description"), str):
        told["description"] = inspect.cleandoc(told["description"]).replace("``", "`")
    if isinstance(told.get("pattern"), str):
        told |= _portable(told.pop("pattern"))
    return told


def _portable(pattern: str) -> dict[str, Any]:
    """Say a pattern without ``\\Z``: JavaScript has none, and Python's ``$`` lets a newline through."""
    excluding = _CHARACTERS.fullmatch(pattern)
    if excluding:
        return {"not": {"pattern": f"[{excluding.group(1)}]"}}
    if _PYTHON_ONLY.search(pattern):
        raise ValueError(f"the pattern {pattern} is Python's own; write ^[^...]+\\Z or one that JavaScript knows")
    return {"pattern": pattern}


def _add_defaults(properties: dict[str, Any], record: type[msgspec.Struct]) -> None:
    """Tell defaults that are made anew for each record; msgspec tells the others."""
    for field in msgspec.structs.fields(record):
        if field.default_factory is not msgspec.NODEFAULT:
            properties[field.encode_name]["default"] = msgspec.to_builtins(field.default_factory())
