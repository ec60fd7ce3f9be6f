import base64

import msgspec
import pytest

from processors.language.wording import Wording
from streams.cli.erasing.sought import Copy, Sought
from tests.streams.cli.samples import letter

TEXT = "The sole caught fire in Zanzibar."
SOUGHT = Sought("p", 'r"1', wording=Wording([TEXT]))


def record(**changed):
    return {"product_id": "p", "review_id": 'r"1', "text": TEXT, **changed}


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (record(), Copy(TEXT, bare=False)),
        (record(rating="seven", created_at=[]), Copy(TEXT, bare=False)),  # a dead letter, but it is there
        (record(text=None, op="delete", revision=1), Copy(None, bare=True)),
        (record(op="delete"), Copy(TEXT, bare=False)),
        (record(text=7), Copy(None, bare=False)),
        (record(review_id="r2"), None),
        (record(product_id="q"), None),
    ],
)
def test_a_version_of_the_review_is_recognised_however_wrong_it_is(value, copy):
    assert SOUGHT.copied_in(msgspec.json.encode(value), b"p") == copy


def test_a_broken_version_is_recognised_by_its_ids():
    broken = msgspec.json.encode(record())[:-5]
    assert SOUGHT.copied_in(broken, b"p") == Copy(None, bare=False)
    assert SOUGHT.copied_in(broken, None) == Copy(None, bare=False)
    assert SOUGHT.copied_in(b'{"review_id": "r\\"1", "text":', b"q") is None
    assert SOUGHT.copied_in(b"\xff\xfe", b"p") is None


@pytest.mark.parametrize(
    ("payload", "held"),
    [
        (msgspec.json.encode(record()), True),
        (msgspec.json.encode(record())[:-5], True),
        (b"csv;" + TEXT.encode(), True),
        (b'{"product_id":"p","bands":[{"review_id":"r\\"1","quote":"..."}', True),  # points, cut
        (msgspec.json.encode(record(text=None, op="delete")), False),
        (msgspec.json.encode(record(product_id="q", text="Fine.")), False),
        (None, False),
    ],
)
def test_a_dead_letter_that_carries_it_is_recognised(payload, held):
    told = letter(payload=payload, key_base64=base64.b64encode(b"anything").decode())
    assert SOUGHT.lettered_in(msgspec.json.encode(told)) == held
    assert not SOUGHT.lettered_in(b"no letter")


def test_words_are_found_wherever_something_has_texts():
    for value in ({"a": [1, {"b": f"They say: {TEXT}"}]}, [TEXT], {TEXT: 1}):
        assert SOUGHT.said_in(msgspec.json.encode(value))
        assert SOUGHT.said_in(msgspec.msgpack.encode(value))
    assert SOUGHT.said_in(f"x {TEXT}".encode())
    assert SOUGHT.said_in(TEXT)
    assert not SOUGHT.said_in(None)
    assert not SOUGHT.said_in(b"\xc1\xff")
