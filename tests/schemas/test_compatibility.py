import pytest

from schemas.compatibility import Break, breaks, inlined

ID = {"type": "string", "minLength": 1, "maxLength": 200}
BOTH = ("producers", "readers")


def record(*required: str, **properties: object) -> dict:
    return {"type": "object", "properties": properties, "required": list(required)}


def nullable(schema: dict) -> dict:
    return {"anyOf": [schema, {"type": "null"}]}


def told(old: dict, new: dict, *, read: bool = True, published: bool = True) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.field, one.what, one.whom) for one in breaks("t", old, new, read=read, published=published)]


def test_an_equal_schema_breaks_nobody():
    schema = record("id", id=ID, stars=nullable({"type": "integer", "minimum": 1}), tags={"items": ID, "type": "array"})
    assert told(schema, schema) == []


@pytest.mark.parametrize("field", [{"type": "string"}, nullable({"type": "integer"})])
def test_a_new_optional_field_breaks_nobody(field):
    assert told(record("id", id=ID), record("id", id=ID, more=field)) == []


def test_a_removed_field_breaks_producers_and_readers():
    old, new = record("id", id=ID, stars={"type": "integer"}), record("id", id=ID)
    assert told(old, new) == [("stars", "removed", BOTH)]
    assert told(old, new, published=False) == [("stars", "removed", ("producers",))]
    assert told(old, new, read=False) == [("stars", "removed", ("readers",))]


def test_a_renamed_field_is_a_removed_one():
    assert told(record(stars=ID), record(rating=ID)) == [("stars", "removed", BOTH)]


def test_a_new_required_field_breaks_producers_only():
    old, new = record("id", id=ID), record("id", "stars", id=ID, stars={"type": "integer"})
    assert told(old, new) == [("stars", "new and required", ("producers",))]
    assert told(old, new, read=False) == []


def test_an_optional_field_that_becomes_required_breaks_producers_only():
    assert told(record(id=ID), record("id", id=ID)) == [("id", "optional became required", ("producers",))]
    assert told(record(id=ID), record("id", id=ID), read=False) == []


def test_a_required_field_that_becomes_optional_breaks_readers_only():
    assert told(record("id", id=ID), record(id=ID)) == [("id", "required became optional", ("readers",))]
    assert told(record("id", id=ID), record(id=ID), published=False) == []


NARROWER = [
    ({"type": "integer"}, {"type": "integer", "minimum": 1}, "minimum none became 1"),
    ({"type": "integer", "minimum": 1}, {"type": "integer", "minimum": 2}, "minimum 1 became 2"),
    ({"type": "integer", "maximum": 5}, {"type": "integer", "maximum": 4}, "maximum 5 became 4"),
    ({"type": "number"}, {"type": "integer"}, "type number became integer"),
    ({"type": "string"}, {"type": "string", "maxLength": 9}, "maxLength none became 9"),
    ({"type": "string"}, {"type": "string", "minLength": 1}, "minLength none became 1"),
    ({"type": "string"}, {"type": "string", "format": "date-time"}, "format none became date-time"),
    ({"type": "string"}, {"type": "string", "pattern": "^a"}, "pattern none became ^a"),
    ({"type": "string"}, {"type": "string", "not": {"pattern": "a"}}, 'not none became {"pattern":"a"}'),
    ({"type": "string"}, {"enum": ["a", "b"]}, 'values none became ["a","b"]'),
    ({"enum": ["a", "b"]}, {"enum": ["a"]}, 'values ["a","b"] became ["a"]'),
    ({"enum": ["a", "b"]}, {"const": "a"}, 'values ["a","b"] became ["a"]'),
    (nullable({"type": "string"}), {"type": "string"}, "type string or null became string"),
    ({"type": ["string", "null"]}, {"type": "string"}, "type string or null became string"),
    ({}, {"type": "string"}, "type anything became string"),
    ({"type": "array"}, {"type": "array", "maxItems": 3}, "maxItems none became 3"),
    ({"type": "object"}, {"type": "object", "minProperties": 1}, "minProperties none became 1"),
]


@pytest.mark.parametrize(("wide", "narrow", "what"), NARROWER)
def test_taking_less_breaks_producers(wide, narrow, what):
    assert told(record(x=wide), record(x=narrow)) == [("x", what, ("producers",))]
    assert told(record(x=wide), record(x=narrow), read=False) == []


@pytest.mark.parametrize(("wide", "narrow", "what"), NARROWER)
def test_saying_more_breaks_readers(wide, narrow, what):
    keyword, change = what.split(" ", 1)
    before, after = change.split(" became ")
    assert told(record(x=narrow), record(x=wide)) == [("x", f"{keyword} {after} became {before}", ("readers",))]
    assert told(record(x=narrow), record(x=wide), published=False) == []


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ({"type": "string"}, {"type": "integer"}, "type string became integer"),
        ({"type": "string", "pattern": "^a"}, {"type": "string", "pattern": "^b"}, "pattern ^a became ^b"),
        ({"enum": ["a", "b"]}, {"enum": ["a", "c"]}, 'values ["a","b"] became ["a","c"]'),
        ({"type": "integer", "default": 1}, {"type": "integer", "default": 2}, "default 1 became 2"),
        ({"type": "integer", "default": 1}, {"type": "integer"}, "default 1 became none"),
    ],
)
def test_another_meaning_breaks_producers_and_readers(old, new, what):
    assert told(record(x=old), record(x=new)) == [("x", what, BOTH)]


def test_a_record_may_grow_a_default_of_its_own():
    inner = record(count={"type": "integer", "default": 0}) | {"default": {"count": 0}}
    grown = record(count={"type": "integer", "default": 0}, newest={"type": "array"}) | {
        "default": {"count": 0, "newest": []}
    }
    assert told(record(forgotten=inner), record(forgotten=grown)) == []


def test_of_several_choices_each_is_compared_with_the_nearest():
    old = {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "string"}, {"type": "boolean"}]}
    new = {"anyOf": [{"type": "boolean"}, {"type": "string"}, {"type": "integer", "maximum": 8}]}
    assert told(record(x=old), record(x=new)) == [("x", "maximum 9 became 8", ("producers",))]


@pytest.mark.parametrize(
    ("wrapped", "path"),
    [
        (lambda inner: record(x={"type": "array", "items": inner}), "x[]"),
        (lambda inner: record(x={"type": "object", "additionalProperties": inner}), "x.*"),
        (lambda inner: record(x={"type": "object", "propertyNames": inner}), "x"),
        (lambda inner: record(x=record(y=inner)), "x.y"),
        (lambda inner: record(x=nullable({"type": "array", "items": record(y=inner)})), "x[].y"),
        (lambda inner: record(x={"$ref": "#/$defs/X"}) | {"$defs": {"X": record(y=inner)}}, "x.y"),
    ],
)
def test_a_field_is_named_however_deep_it_is(wrapped, path):
    old, new = wrapped({"type": "string"}), wrapped({"type": "string", "maxLength": 9})
    assert told(old, new) == [(path, "maxLength none became 9", ("producers",))]
    assert told(new, old) == [(path, "maxLength 9 became none", ("readers",))]


def test_a_map_that_may_hold_nothing_breaks_producers():
    old = {"type": "object", "additionalProperties": {"type": "string"}}
    new = {"type": "object", "additionalProperties": False}
    assert told(record(x=old), record(x=new)) == [("x.*", "values string became nothing", ("producers",))]


def test_a_changed_condition_names_the_fields_it_speaks_of():
    condition = {"if": {"required": ["op"]}, "else": {"required": ["text"]}}
    old = record(op=ID, text=ID)
    for before, after, whom in ((old, old | condition, "producers"), (old | condition, old, "readers")):
        found = breaks("t", before, after, read=True, published=True)
        assert [(one.field, one.whom) for one in found] == [("op", (whom,)), ("text", (whom,))]


def test_words_for_people_break_nobody():
    old = record("id", id=ID) | {"title": "A", "description": "a", "$id": "urn:a"}
    assert told(old, record("id", id=ID | {"description": "b", "examples": ["c"]}) | {"title": "B"}) == []


def test_a_finding_reads_like_a_sentence():
    one = Break("reviews", "rating", "maximum 5 became 4", ("producers",))
    assert str(one) == "reviews: rating: maximum 5 became 4 (breaks producers)"
    assert str(Break("reviews", "", "topic removed", BOTH)) == "reviews: topic removed (breaks producers and readers)"


def test_a_reference_keeps_what_stands_beside_it():
    schema = {"properties": {"x": {"$ref": "#/$defs/X", "default": 1}}, "$defs": {"X": {"type": "integer"}}}
    assert inlined(schema) == {"properties": {"x": {"type": "integer", "default": 1}}}
