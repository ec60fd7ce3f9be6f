import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from referencing.exceptions import Unresolvable

from models.remote.spoken_json import MAX_REASON, UnfitError, fitting_json
from tests.fake_endpoint import FakeEndpoint

ANY: dict[str, object] = {}
OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_every_json_comes_through_unchanged(value, escaped):
    assert json.loads(fitting_json(json.dumps(value, ensure_ascii=escaped), ANY)) == value


@given(st.text(st.characters()))
def test_any_words_are_json_or_unfit(text):
    try:
        json.loads(fitting_json(text, ANY))
    except UnfitError as error:
        assert 0 < len(str(error)) <= MAX_REASON


@pytest.mark.parametrize(
    "text",
    [
        ' {"a": 1}\n',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}```',
        'Here it is:\n{"a": 1}\nI hope it helps {you}.',
        '<think>{"a": 2} or so?</think>{"a": 1}',
    ],
)
def test_json_is_found_in_what_models_put_around_it(text):
    assert fitting_json(text, OBJECT) == '{"a":1}'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no JSON in it"),
        ("It fits.", "there is no JSON in it"),
        ('{"a": 1', "it is no JSON: Expecting"),
        ('{"a": NaN}', "NaN is no JSON"),
        ('{"a": "x"}', "$.a: 'x' is not of type 'integer'"),
        ("{}", "$: 'a' is a required property"),
        ("[1]", "$: [1] is not of type 'object'"),
        ('{"a": 1e999}', "Out of range float"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "9" * 10_000 + "}", "Exceeds the limit"),
    ],
)
def test_what_is_unfit_has_a_reason(text, reason):
    with pytest.raises(UnfitError) as raised:
        fitting_json(text, OBJECT if "e999" not in text else ANY)
    assert reason in str(raised.value)


def test_a_schema_is_not_fetched_from_anywhere():
    with FakeEndpoint() as elsewhere:
        with pytest.raises(Unresolvable):
            fitting_json("{}", {"$ref": f"{elsewhere.url}/schema.json"})
        assert elsewhere.fetched == []
