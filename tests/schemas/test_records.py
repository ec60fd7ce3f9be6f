import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import TEXT_LIMIT, Unreadable, decode
from schemas.reviews import Review

FIELDS = {"review_id": "r1", "product_id": "p1", "text": "Good."}


def encoded(**changed: object) -> bytes:
    return msgspec.json.encode({name: value for name, value in (FIELDS | changed).items() if value is not ...})


def problem(payload: bytes) -> tuple[str, str | None]:
    with pytest.raises(Unreadable) as caught:
        decode(payload, Review)
    assert caught.value.error
    assert "\n" not in caught.value.error
    return caught.value.reason, caught.value.field


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff\xfe",
        b"{",
        b"nonsense",
        b'{"text":"\xc3"}',
        b'{"x":' + b"[" * 100_000,
        b'{"x":' * 100_000,
        encoded()[:-1],
        encoded() + b"}",
    ],
    ids=["empty", "no UTF-8", "cut", "words", "half a letter", "deep", "deep object", "cut late", "too long"],
)
def test_bytes_that_are_no_json_are_told_as_such(payload):
    assert problem(payload) == ("not_json", None)


@pytest.mark.parametrize("payload", [b"null", b"[]", b"7", b'"text"'])
def test_json_that_is_no_object_is_an_invalid_field(payload):
    assert problem(payload) == ("invalid_field", None)


def test_a_lone_surrogate_is_no_text():
    assert problem(rb'{"review_id":"r","product_id":"p","text":"\ud800"}') == ("not_json", None)


@pytest.mark.parametrize("name", ["review_id", "product_id", "text"])
def test_a_missing_field_is_named(name):
    assert problem(encoded(**{name: ...})) == ("missing_field", name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rating", 7),
        ("rating", 0),
        ("rating", "5"),
        ("rating", 4.5),
        ("text", 5),
        ("text", ["a"]),
        ("title", "t" * 1_001),
        ("review_id", ""),
        ("review_id", "r" * 201),
        ("product_id", "a\x00b"),
        ("product_id", "a\nb"),
        ("product_id", "a\n"),
        ("product_id", "a\x85b"),
        ("author_id", ""),
        ("created_at", "yesterday"),
        ("created_at", "2024-02-30T00:00:00Z"),
        ("created_at", "2024-02-01T00:00:00"),
        ("created_at", 1_700_000_000),
        ("language", "x" * 201),
        ("op", "update"),
        ("revision", -1),
        ("revision", 2**63),
        ("revision", 10**30),
    ],
)
def test_a_field_that_breaks_its_contract_is_named(name, value):
    assert problem(encoded(**{name: value})) == ("invalid_field", name)


def test_a_text_over_the_limit_is_told_with_both_lengths():
    with pytest.raises(Unreadable, match=r"20,001 characters, at most 20,000") as caught:
        decode(encoded(text="x" * (TEXT_LIMIT + 1)), Review)
    assert (caught.value.reason, caught.value.field) == ("text_too_long", "text")


@pytest.mark.parametrize(
    "text",
    ["", "👍🏽" * 10, "a\x00b", "Sehr gut, gerne wieder!", "とても良い", "x" * TEXT_LIMIT, "\u202eevil"],
    ids=["empty", "emoji", "NUL", "German", "Japanese", "longest", "right to left"],
)
def test_any_text_within_the_limit_is_accepted(text):
    assert decode(encoded(text=text), Review).text == text


def test_the_longest_id_and_the_largest_revision_are_accepted():
    review = decode(encoded(review_id="é" * 200, revision=2**63 - 1), Review)
    assert (len(review.review_id), review.revision) == (200, 2**63 - 1)


def test_fields_nobody_knows_are_ignored():
    assert decode(encoded(votes=[1, {"a": None}], revision=2), Review).revision == 2


def test_a_deletion_goes_without_text():
    assert decode(encoded(text=..., op="delete"), Review).text is None


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*Review.__struct_fields__, "other"]), inner, max_size=8)
        ),
        max_leaves=20,
    ).map(msgspec.json.encode)
)
def test_whatever_comes_is_a_review_or_a_told_reason(payload):
    try:
        review = decode(payload, Review)
    except Unreadable as problem:
        assert problem.reason in {"not_json", "invalid_field", "missing_field", "text_too_long"}
    else:
        assert decode(msgspec.json.encode(review), Review) == review
