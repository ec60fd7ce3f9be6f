import pytest

from models.ports import WriteFailure, Written
from schemas.heartbeats import Counters
from streams.calling.circuits import Circuits
from tests.streams.fakes import START_S, Clock

ENDPOINT = "https://models.example/v1"
REFUSED = WriteFailure("HTTP 401 Unauthorized: set the key", retryable=True, endpoint=True)
AWAY = WriteFailure("no answer within 3 s", retryable=True, endpoint=True)


@pytest.fixture
def clock():
    return Clock(START_S)


@pytest.fixture
def circuits(clock):
    return Circuits(2, 30.0, counters=Counters(), now=clock)


def test_who_is_held_back_is_told_how_the_endpoint_failed_last(circuits, clock):
    circuits.note(ENDPOINT, [REFUSED])
    assert circuits.reasons() == {}  # one failure opens nothing
    circuits.note(ENDPOINT, [AWAY])
    assert circuits.admit(ENDPOINT).error == f"{ENDPOINT} failed again and again and is left alone: {AWAY.error}"
    assert circuits.reasons() == {ENDPOINT: AWAY.error}
    clock.now += 30
    assert circuits.admit(ENDPOINT) is None
    circuits.note(ENDPOINT, [REFUSED])  # the try failed, in another way
    assert circuits.reasons() == {ENDPOINT: REFUSED.error}
    assert circuits.admit(ENDPOINT).error.endswith(REFUSED.error)


def test_an_endpoint_that_works_again_has_no_reason(circuits, clock):
    circuits.note(ENDPOINT, [REFUSED, REFUSED])
    clock.now += 30
    circuits.admit(ENDPOINT)
    circuits.note(ENDPOINT, [Written("text", 10, 5)])
    assert (circuits.open(), circuits.reasons()) == ({}, {})
