import base64
import hashlib
from datetime import UTC, datetime

import msgspec
import pytest

from infra.outbox import Cause, Output, Waiting
from schemas.dead_letters import DeadLetter, HeaderCopy, Place
from schemas.records import Unreadable
from streams.events import Rejection
from streams.holes import Lost
from streams.letters import PAYLOAD_LIMIT_BYTES, dead_letter, lost_range, refused_output, without_payload
from tests.streams.fakes import DEAD_LETTERS, POINTS, REVIEWS, START_S, Raw, raw

NOW = datetime(2024, 6, 2, tzinfo=UTC)
PROBLEM = Unreadable("invalid_field", "rating: at most 5", "rating")


def letter(output: Output) -> DeadLetter:
    return msgspec.json.decode(output.value, type=DeadLetter)


def letter_of(record: Raw) -> DeadLetter:
    output, _ = dead_letter(Rejection(record, PROBLEM), "digest", DEAD_LETTERS, NOW)
    return letter(output)


def waiting(output: Output) -> Waiting:
    return Waiting(7, output, Cause(REVIEWS, 3, 41))


def test_a_dead_letter_keeps_the_record_whole_and_tells_why():
    record = raw(17, b"\xff{", partition=2, key=b"\x00k", headers=(("a", b"\xfe"), ("a", None), ("b", b"")))
    output, cause = dead_letter(Rejection(record, PROBLEM), "digest", DEAD_LETTERS, NOW)
    assert (output.topic, output.key, cause) == (DEAD_LETTERS, b"\x00k", Cause(REVIEWS, 2, 17))
    assert letter(output) == DeadLetter(
        dead_letter_id=f"digest:{REVIEWS}:2:17",
        agent="digest",
        source=Place(topic=REVIEWS, partition=2, offset=17),
        reason="invalid_field",
        field="rating",
        error="rating: at most 5",
        key_base64=base64.b64encode(b"\x00k").decode(),
        payload_base64=base64.b64encode(b"\xff{").decode(),
        payload_bytes=2,
        payload_sha256=hashlib.sha256(b"\xff{").hexdigest(),
        headers=[
            HeaderCopy(key="a", value_base64="/g=="),
            HeaderCopy(key="a", value_base64=None),
            HeaderCopy(key="b", value_base64=""),
        ],
        failed_at=NOW,
    )


def test_a_dead_letter_is_a_cloud_event():
    output, _ = dead_letter(Rejection(raw(17), PROBLEM), "digest", DEAD_LETTERS, NOW)
    assert output.headers["ce_id"] == f"digest:{REVIEWS}:0:17".encode()
    assert output.headers["ce_type"] == b"millrace.dead-letter.v1"
    assert output.headers["ce_source"] == b"/millrace/digest"


def test_a_record_without_key_and_value_is_told_as_such():
    told = letter_of(raw(17, None, key=None))
    assert (told.key_base64, told.payload_base64, told.payload_sha256, told.payload_bytes) == (None, None, None, 0)


def test_a_payload_over_the_limit_is_cut_and_its_hash_tells_the_whole():
    payload = b"x" * (PAYLOAD_LIMIT_BYTES + 1)
    told = letter_of(raw(17, payload))
    assert base64.b64decode(told.payload_base64) == payload[:-1]
    assert (told.payload_bytes, told.payload_sha256) == (len(payload), hashlib.sha256(payload).hexdigest())


def test_records_that_are_gone_are_told_by_their_place():
    output, cause = lost_range((REVIEWS, 2), Lost(10, 15), "digest", DEAD_LETTERS, NOW)
    told = letter(output)
    assert cause == Cause(REVIEWS, 2, 10)
    assert (told.reason, told.source.offset) == ("records_lost", 10)
    assert "offsets 10 to 14" in told.error


def test_an_output_refused_for_its_size_becomes_a_dead_letter_with_its_bytes():
    output = refused_output(waiting(Output(POINTS, b"p", b"v" * 9, {"h": b"1"})), "digest", DEAD_LETTERS, START_S)
    told = letter(output)
    assert (output.topic, output.key, told.reason) == (DEAD_LETTERS, b"p", "output_too_large")
    assert told.dead_letter_id == f"digest:{REVIEWS}:3:41:{POINTS}"
    assert base64.b64decode(told.payload_base64) == b"v" * 9
    assert told.headers == [HeaderCopy(key="h", value_base64="MQ==")]


def test_a_refused_dead_letter_loses_payload_key_and_headers_and_keeps_its_reason():
    record = raw(17, b"v" * 9, key=b"k" * 9, headers=(("h", b"1"),))
    first, _ = dead_letter(Rejection(record, PROBLEM), "digest", DEAD_LETTERS, NOW)
    output = refused_output(waiting(first), "digest", DEAD_LETTERS, START_S)
    told = letter(output)
    assert (output.topic, output.key) == (DEAD_LETTERS, None)
    assert (told.payload_base64, told.key_base64, told.headers) == (None, None, [])
    assert (told.reason, told.payload_bytes, told.source.offset) == ("invalid_field", 9, 17)
    assert told.payload_sha256 == hashlib.sha256(b"v" * 9).hexdigest()


def test_a_dead_letter_refused_even_without_payload_is_an_error_and_no_endless_loop():
    first, _ = dead_letter(Rejection(raw(17, b"v"), PROBLEM), "digest", DEAD_LETTERS, NOW)
    stripped = refused_output(waiting(first), "digest", DEAD_LETTERS, START_S)
    with pytest.raises(ValueError, match="refuses even a stripped dead letter"):
        refused_output(waiting(stripped), "digest", DEAD_LETTERS, START_S)


def test_a_dead_letter_without_payload_keeps_its_key_and_what_happened():
    record = raw(17, b"v" * 9, key=b"k", headers=(("h", b"1"),))
    first, _ = dead_letter(Rejection(record, PROBLEM), "digest", DEAD_LETTERS, NOW)
    output = without_payload(first)
    bare = msgspec.structs.replace(letter(first), payload_base64=None, headers=[])
    assert (output.topic, output.key, letter(output)) == (DEAD_LETTERS, b"k", bare)
    assert output.headers["ce_id"] == first.headers["ce_id"]
