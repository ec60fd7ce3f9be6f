import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.remote.answers import AnswerError, EventReader, JsonReader

PIECES = st.lists(st.text(), min_size=1, max_size=5)


@given(PIECES, st.booleans(), st.lists(st.integers(1, 40), max_size=20))
def test_a_stream_reads_the_same_however_it_is_cut(pieces, escaped, sizes):
    events = [json.dumps({"choices": [{"delta": {"content": piece}}]}, ensure_ascii=escaped) for piece in pieces]
    data = "".join([f"data: {event}\n\n" for event in [*events, "[DONE]"]]).encode()
    reader, said = EventReader(), []
    for size in [*sizes, len(data)]:
        said.append(reader.feed(data[:size]))
        data = data[size:]
    assert "".join(said) == reader.close().text == "".join(pieces)
    assert reader.finished


@given(st.sampled_from([JsonReader, EventReader]), st.lists(st.binary()))
def test_any_bytes_are_an_answer_or_an_error_of_one(kind, chunks):
    reader = kind()
    with_error = False
    try:
        for chunk in chunks:
            reader.feed(chunk)
        reader.close()
    except AnswerError:
        with_error = True
    assert with_error or reader.said.text == ""


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "delta", "content", "usage", "prompt_tokens", "model", "error"]),
            inner,
        )
    ),
    max_leaves=15,
)


@given(st.sampled_from(["message", "delta"]), SHAPES)
def test_any_json_is_an_answer_or_an_error_of_one(place, shape):
    reader = JsonReader() if place == "message" else EventReader()
    data = json.dumps(shape).encode()
    try:
        reader.feed(data if place == "message" else b"data: " + data + b"\n\n")
        said = reader.close()
    except AnswerError:
        return
    assert isinstance(said.text, str)


def test_events_after_the_end_are_not_read():
    reader = EventReader()
    reader.feed(b'data: {"choices": [{"delta": {"content": "so"}}]}\ndata: [DONE]\ndata: {"choices": 5}\n')
    assert reader.close().text == "so"


@pytest.mark.parametrize("content", [[{"type": "text", "text": "so "}, {"type": "text", "text": "nice"}], "so nice"])
def test_a_text_may_come_in_parts(content):
    reader = JsonReader()
    reader.feed(json.dumps({"choices": [{"message": {"content": content}}]}).encode())
    assert reader.close().text == "so nice"
