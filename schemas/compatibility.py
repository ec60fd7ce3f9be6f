"""Whether a changed JSON Schema still serves those who rely on the one before.

What we read may only grow: a producer's record that was taken yesterday is taken tomorrow. What we publish may only
shrink: a reader built for yesterday's records understands tomorrow's. Both are one question, asked forwards and
backwards: what does one schema take that the other does not? Fields may come, but never go.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas.json_schema import JsonSchema

AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
ANNOTATIONS = {"$schema", "$id", "$defs", "$comment", "title", "description", "examples", "deprecated", "default"}
STRUCTURE = {"type", "enum", "const", "properties", "required", "items", "additionalProperties", "propertyNames"}
CONDITION = ("if", "then", "else")

KINDS: Mapping[type, str] = {
    str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array", dict: "object"
}  # fmt: skip
"""JSON's types in JSON Schema's words."""

ABSENT, OPTIONAL, REQUIRED = "absent", "optional", "required"
PRESENCE = "presence"

PRODUCERS = "producers"
READERS = "readers"


@dataclass(frozen=True, slots=True)
class Break:
    """One change that somebody's program does not survive.

    Args:
        topic: Of the record.
        field: Path of the field; ``[]`` is each item of a list, ``*`` each value of a map.
        what: What was and what is.
        whom: Whose programs: ``producers``, ``readers``.
    """

    topic: str
    field: str
    what: str
    whom: tuple[str, ...]

    def __str__(self) -> str:
        place = f"{self.topic}: {self.field}" if self.field else self.topic
        return f"{place}: {self.what} (breaks {' and '.join(self.whom)})"


@dataclass(frozen=True, slots=True)
class _Difference:
    """Something of a field that is other than it was."""

    field: str
    keyword: str
    old: Any
    new: Any


def breaks(topic: str, old: JsonSchema, new: JsonSchema, *, read: bool, published: bool) -> list[Break]:
    """Find what of a topic's record changed in a way that breaks producers or readers.

    Args:
        topic: Named in the findings.
        old: The schema others rely on.
        new: The one they would get.
        read: Whether we read the record: then others produce it.
        published: Whether we publish it: then others read it.

    Raises:
        RecursionError: If a schema refers to itself.

    Example:
        >>> old = {"type": "object", "properties": {"stars": {"type": "integer", "maximum": 5}}}
        >>> new = {"type": "object", "properties": {"stars": {"type": "integer", "maximum": 4}}}
        >>> print(*breaks("reviews", old, new, read=True, published=False))
        reviews: stars: maximum 5 became 4 (breaks producers)
        >>> breaks("reviews", old, new, read=False, published=True)
        []
    """
    before, after = inlined(old), inlined(new)
    found: dict[tuple[str, str], list[str]] = {}
    if read:
        for one in _narrowed(before, after, ""):
            if one.old != ABSENT or one.new == REQUIRED:
                _note(found, one, PRODUCERS)
    if published:
        for turned in _narrowed(after, before, ""):
            one = _Difference(turned.field, turned.keyword, turned.new, turned.old)
            if one.old != ABSENT:
                _note(found, one, READERS)
    return [Break(topic, field, what, tuple(whom)) for (field, what), whom in found.items()]


def inlined(schema: JsonSchema) -> dict[str, Any]:
    """Put every definition in the place of its references.

    Raises:
        RecursionError: If a schema refers to itself.

    Example:
        >>> inlined({"items": {"$ref": "#/$defs/Id"}, "$defs": {"Id": {"type": "string"}}})
        {'items': {'type': 'string'}}
    """
    definitions = schema.get("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(one) for one in node]
        if not isinstance(node, dict):
            return node
        here = {key: put(value) for key, value in node.items() if key not in ("$ref", "$defs")}
        return put(definitions[node["$ref"].removeprefix("#/$defs/")]) | here if "$ref" in node else here

    return {key: put(value) for key, value in schema.items() if key != "$defs"}


def _note(found: dict[tuple[str, str], list[str]], one: _Difference, whom: str) -> None:
    if one.keyword != PRESENCE:
        what = f"{one.keyword} {_shown(one.old)} became {_shown(one.new)}"
    elif one.new == ABSENT:
        what = "removed"
    else:
        what = "new and required" if one.old == ABSENT else f"{one.old} became {one.new}"
    audience = found.setdefault((one.field, what), [])
    if whom not in audience:
        audience.append(whom)


def _shown(value: Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _narrowed(before: JsonSchema, after: JsonSchema, field: str) -> Iterator[_Difference]:
    """Tell what ``before`` takes and ``after`` does not."""
    choices = _choices(after)
    for one in _choices(before):
        near = [other for other in choices if _kind(other) is None or _within(_kind(one), _kind(other))]
        if not near:
            yield _Difference(field, "type", _kinds(before), _kinds(after))
            continue
        yield from min((list(_narrowed_choice(one, other, field)) for other in near), key=len)


def _choices(schema: JsonSchema) -> list[dict[str, Any]]:
    """List the ways to satisfy a schema: one a type."""
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    choices = [{**rest, **one} for one in schema.get("anyOf", [{}])]
    types = [(one, one.get("type")) for one in choices]
    return [one | ({"type": kind} if kind else {}) for one, kinds in types for kind in _listed(kinds)]


def _listed(kinds: Any) -> Sequence[str | None]:
    return kinds if isinstance(kinds, list) else [kinds]


def _kind(choice: JsonSchema) -> str | None:
    """Name a choice's type; None takes anything."""
    if "type" in choice:
        return str(choice["type"])
    values = _values(choice)
    if values is None:
        return None
    return " or ".join(sorted({KINDS[type(value)] for value in values}))


def _kinds(schema: JsonSchema) -> str:
    return " or ".join(dict.fromkeys(_kind(choice) or "anything" for choice in _choices(schema)))


def _within(kind: str | None, other: str | None) -> bool:
    return kind == other or (kind, other) == ("integer", "number")


def _values(choice: JsonSchema) -> list[Any] | None:
    return [choice["const"]] if "const" in choice else choice.get("enum")


def _narrowed_choice(before: JsonSchema, after: JsonSchema, field: str) -> Iterator[_Difference]:
    yield from _narrowed_limits(before, after, field)
    yield from _narrowed_fields(before, after, field)
    for keyword, path in (("items", f"{field}[]"), ("additionalProperties", f"{field}.*"), ("propertyNames", field)):
        yield from _narrowed_inner(before.get(keyword, True), after.get(keyword, True), path.removeprefix("."))
    others = (set(before) | set(after)) - ANNOTATIONS - STRUCTURE - {*AT_LEAST, *AT_MOST, *CONDITION}
    for keyword in sorted(others):
        if keyword in after and after[keyword] != before.get(keyword):
            yield _Difference(field, keyword, before.get(keyword), after[keyword])
    conditions = [{key: one[key] for key in CONDITION if key in one} or None for one in (before, after)]
    if conditions[1] is not None and conditions[0] != conditions[1]:
        for name in sorted(_named(conditions[0]) | _named(conditions[1])):
            yield _Difference(f"{field}.{name}".removeprefix("."), "condition", *conditions)


def _narrowed_limits(before: JsonSchema, after: JsonSchema, field: str) -> Iterator[_Difference]:
    for keyword in AT_LEAST + AT_MOST:
        old, new = before.get(keyword), after.get(keyword)
        if new is not None and (old is None or (new > old if keyword in AT_LEAST else new < old)):
            yield _Difference(field, keyword, old, new)
    old, new = _values(before), _values(after)
    if new is not None and (old is None or any(value not in new for value in old)):
        yield _Difference(field, "values", old, new)


def _narrowed_fields(before: JsonSchema, after: JsonSchema, field: str) -> Iterator[_Difference]:
    old, new = before.get("properties", {}), after.get("properties", {})
    for name in {**old, **new}:
        path = f"{field}.{name}".removeprefix(".")
        was, becomes = _presence(before, name), _presence(after, name)
        if ABSENT in (was, becomes):
            yield _Difference(path, PRESENCE, was, becomes)
            continue
        if (was, becomes) == (OPTIONAL, REQUIRED):
            yield _Difference(path, PRESENCE, was, becomes)
        elif was == becomes == OPTIONAL and not _same_default(old[name].get("default"), new[name].get("default")):
            yield _Difference(path, "default", old[name].get("default"), new[name].get("default"))
        yield from _narrowed(old[name], new[name], path)


def _presence(schema: JsonSchema, name: str) -> str:
    if name not in schema.get("properties", {}):
        return ABSENT
    return REQUIRED if name in schema.get("required", ()) else OPTIONAL


def _same_default(old: Any, new: Any) -> bool:
    """Compare defaults; a record's default grows when the record does."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return all(_same_default(old[name], new[name]) for name in set(old) & set(new))
    return bool(old == new)


def _narrowed_inner(before: Any, after: Any, field: str) -> Iterator[_Difference]:
    """Compare items and values of maps, which may be true (anything) and false (nothing) instead of a schema."""
    if after is True or before is False:
        return
    if after is False:
        yield _Difference(field, "values", "anything" if before is True else _kinds(before), "nothing")
        return
    yield from _narrowed({} if before is True else before, after, field)


def _named(node: Any) -> set[str]:
    """Name the fields a condition speaks of."""
    if isinstance(node, dict):
        own = {*node.get("required", ()), *node.get("properties", {})}
        return own.union(*(_named(value) for value in node.values()))
    return set()
