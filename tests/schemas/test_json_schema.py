import re
from collections.abc import Iterable
from datetime import date
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from schemas import compatibility, json_schema
from schemas.dead_letters import DeadLetter
from schemas.documents import Document
from schemas.events import Event
from schemas.feedback import Feedback
from schemas.points import Points
from schemas.records import TEXT_LIMIT, Unreadable, decode
from schemas.requests import Request
from schemas.reviews import Review
from schemas.summaries import Summary

AT = "2024-05-01T12:00:00Z"
BAND = {"review_count": 0, "points": []}
BANDS = dict.fromkeys(("negative", "neutral", "positive", "unrated"), BAND)
STANDING = {
    "product_id": "p",
    "revision": 3,
    "op": "upsert",
    "bands": BANDS,
    "value_for_money": {"stance": "good", "good": 1, "poor": 0, "unclear": 0, "evidence": []},
    "flags": [{"kind": "safety", "review_id": "r", "quote": "Caught fire."}],
    "flag_counts": {"safety": 1},
    "metrics": {"review_count": 1, "mean_rating": 4.5, "rating_counts": {"4": 1}, "last_30_days": 1},
    "sources": {"reviews": {"0": 7}},
}
SAMPLES = {
    Review: {"review_id": "r", "product_id": "p", "text": "Fine."},
    Document: {"document_id": "d", "text": "Fine.", "principals": ["a"], "metadata": {"a": [1]}},
    Event: {"event_id": "e", "type": "t", "entity": {"user": "u"}, "values": {"n": 1.5, "s": "x"}, "occurred_at": AT},
    Request: {"request_id": "q", "question": "Is it?", "entities": {"user": "u"}, "deadline_ms": 9, "options": {}},
    Feedback: {"feedback_id": "f", "target_id": "t", "target_kind": "k", "verdict": "up", "by": "u", "given_at": AT},
    Points: {**STANDING, "review_count": 1, "forgotten": {"count": 1, "newest": ["r0"]}},
    Summary: {**STANDING, "text_revision": None, "text": None, "writer": None, "updated_at": AT},
    DeadLetter: {
        "dead_letter_id": "d", "agent": "a", "source": {"topic": "t", "partition": 0, "offset": 1}, "reason": "r",
        "error": "e", "payload_base64": None, "headers": [{"key": "k", "value_base64": None}], "failed_at": AT,
    },
}  # fmt: skip
# Not among them: 5.0, an integer to JSON Schema and none to us, and times that we read and RFC 3339 does not know.
VALUES = [
    None, True, 0, 1, -1, 4.5, 5, 6, 2**63 - 1, 2**63, 10**30,
    "", "x", "5", "delete", "upsert", "up", "a\x00b", "a\n", "a\x85", "é" * 200, "é" * 201, "t" * 1_000, "t" * 1_001,
    "u" * 2_000, "u" * 2_001, "x" * TEXT_LIMIT, "x" * (TEXT_LIMIT + 1),
    AT, "2024-05-01T12:00:00.123456+05:30", "2024-05-01T12:00:00", "2024-02-30T00:00:00Z", "2024-05-01", "12:00:00Z",
    [], ["x"], ["x", ""], [1], [None], [{}],
    {}, {"a": "x"}, {"a": ""}, {"a": 1}, {"a": None}, {"a": [1]}, {"l" * 200: "x"}, {"l" * 201: "x"}, {"0": {"1": 2}},
]  # fmt: skip
FEW = [None, True, -1, 4.5, 2**63, "", "x", "good", AT, [], [1], {}, {"a": "x"}]
formats = FormatChecker([])


@formats.checks("date-time")
def is_rfc3339(value: object) -> bool:
    """RFC 3339, section 5.6, seconds without the leap one; the library's own check needs another package."""
    if not isinstance(value, str):
        return True
    clock = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?"
    found = re.fullmatch(rf"(\d{{4}}-\d\d-\d\d)[Tt]{clock}([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)", value)
    try:
        return found is not None and date.fromisoformat(found.group(1)) is not None
    except ValueError:
        return False


def validator(record: type[msgspec.Struct], dialect: type = Draft202012Validator):
    return dialect(json_schema.json_schema(record, "topic", "v1"), format_checker=formats)


def is_decoded(value: object, record: type[msgspec.Struct]) -> bool:
    try:
        decode(msgspec.json.encode(value), record)
    except Unreadable:
        return False
    return True


def variants(sample: dict, fields: Iterable[str], values: list = VALUES) -> list[dict]:
    """The sample, without each of its fields, and with each value in the place of each field."""
    without = [{name: value for name, value in sample.items() if name != gone} for gone in sample]
    return [sample, *without, *({**sample, name: value} for name in fields for value in values)]


def cases(record: type[msgspec.Struct]) -> list[dict]:
    """Variants of the sample, and of each record inside it."""
    sample = SAMPLES[record]
    found = variants(sample, [*(field.encode_name for field in msgspec.structs.fields(record)), "nobodys"])
    for name, value in sample.items():
        if isinstance(value, dict) and name not in ("metadata", "options"):
            found += [{**sample, name: inner} for inner in variants(value, value, FEW)]
        if isinstance(value, list) and value and isinstance(value[0], dict):
            found += [{**sample, name: [inner]} for inner in variants(value[0], value[0], FEW)]
    return found


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: record.__name__)
def test_what_the_schema_takes_is_what_we_decode(record):
    checks, older, taken = validator(record), validator(record, Draft7Validator), 0
    tried = cases(record)
    for case in tried:
        ours = is_decoded(case, record)
        assert checks.is_valid(case) == ours, case
        assert older.is_valid(case) == ours, f"read in the dialect that AsyncAPI speaks: {case}"
        taken += ours
    assert 0 < taken < len(tried)


anything = st.sampled_from(VALUES)
ids = st.text("ab \x00\n\x7f\x85é😀", max_size=5) | anything
reviews = st.fixed_dictionaries(
    {},
    optional={
        "review_id": st.just("r") | ids,
        "product_id": st.just("p") | ids,
        "text": st.just("Fine.") | anything,
        "rating": st.none() | st.integers(-1, 7) | anything,
        "created_at": st.none() | st.datetimes().map(lambda at: f"{at.isoformat()}Z") | anything,
        "op": st.sampled_from(["upsert", "delete"]) | anything,
        "revision": st.integers() | anything,
        "other": anything,
    },
)
REVIEW = validator(Review)


@given(reviews | anything)
def test_a_review_is_taken_when_its_schema_says_so(value):
    assert REVIEW.is_valid(value) == is_decoded(value, Review)


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: record.__name__)
def test_every_schema_is_one(record):
    schema = json_schema.json_schema(record, "topic", "v1")
    Draft202012Validator.check_schema(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert (schema["$id"], schema["title"]) == ("urn:millrace:topic:v1", record.__name__)
    assert compatibility.inlined(schema)  # no reference leads nowhere


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: record.__name__)
def test_every_record_and_every_part_of_one_is_described(record):
    schema = json_schema.json_schema(record, "topic", "v1")
    for part in (schema, *schema.get("$defs", {}).values()):
        assert len(part["description"]) > 10
        assert "``" not in part["description"]
        assert "\n  " not in part["description"]


def test_whoever_checks_itself_has_its_rule_in_its_schema():
    checking = {record for record in SAMPLES if hasattr(record, "__post_init__")}
    assert set(json_schema.RULES) == checking


def test_defaults_are_told_even_those_made_anew():
    fields = json_schema.json_schema(Document, "documents", "v1")["properties"]
    assert (fields["op"]["default"], fields["principals"]["default"]) == ("upsert", ["public"])


@pytest.mark.parametrize("pattern", [r"\Aabc", r"abc\Z"])
def test_a_pattern_that_only_python_understands_is_refused(pattern):
    class Odd(msgspec.Struct):
        """Odd."""

        name: Annotated[str, msgspec.Meta(pattern=pattern)]

    with pytest.raises(ValueError, match="Python's own"):
        json_schema.json_schema(Odd, "odd", "v1")


def test_a_pattern_that_all_understand_stays_as_it_is():
    class Plain(msgspec.Struct):
        """Plain."""

        name: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")]

    assert json_schema.json_schema(Plain, "plain", "v1")["properties"]["name"]["pattern"] == "^[a-z]+$"
