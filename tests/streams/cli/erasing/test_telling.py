"""How far it came, told for a review as for a document."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pytest

from infra.errors import BrokerUnreachable
from infra.settings import Settings
from infra.watermarks import Watermark
from streams.cli.erasing import telling
from streams.cli.erasing.outcome import Left
from streams.cli.erasing.telling import AGAIN
from streams.cli.errors import CommandError, Exit
from streams.cli.waits.standing import Gap
from tests.streams.cli.erasing import document_stage, review_stage
from tests.streams.cli.erasing.stage import Chain


@dataclass
class Case:
    """Something that is erased, and what is told of it."""

    chain: Chain
    erase: Callable[..., object]
    what: str
    erased: dict[str, object]
    found_by_name: bool  # whether machines are told what is erased before it is found

    @property
    def gap(self) -> Gap:
        return Gap(self.chain.agents[0].name, (self.chain.topic, 0), Watermark(9, 7, "work", "rebuild"), 10)


@pytest.fixture(params=["review", "document"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param == "review":
        review = review_stage.Stage(tmp_path, review_stage.topics())
        named = {"kind": "review", "product_id": "p", "review_id": "secret", "revision": None}
        return Case(review.chain, partial(review_stage.erased, review), "review secret of p", named, False)
    document = request.getfixturevalue("document_stage")
    named = {"kind": "document", "document_id": "guide.md", "tenant": None, "revision": None}
    return Case(document.chain, partial(document_stage.erased, document), "document guide.md", named, True)


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "find_staleness", lambda settings, gaps, now: [3.0 for _ in gaps])


@pytest.mark.parametrize(
    ("step", "told"),
    [("produce", "may be recorded"), ("wait", "is recorded at {}:0:9"), ("logs", "is recorded at {}:0:9")],
)
def test_a_failure_half_way_says_how_far_it_came(case: Case, step: str, told: str) -> None:
    case.chain.fail_at(step, BrokerUnreachable("kafka:9092"))
    told = f"the deletion of {case.what} {told.format(case.chain.topic)}, but no Kafka broker answers"
    with pytest.raises(CommandError, match=told) as failed:
        case.erase()
    assert failed.value.code == Exit.FAILED
    assert AGAIN in str(failed.value)


def test_a_timeout_before_the_deletion_says_that_nothing_is_erased(case: Case, no_broker, capsys) -> None:
    case.chain.late_at(1, case.gap)
    with pytest.raises(CommandError, match=f"nothing is erased yet, but {case.gap.agent} lacks 3 events") as told:
        case.erase(as_json=True)
    assert (told.value.code, case.chain.produced) == (Exit.TIMED_OUT, [])
    printed = msgspec.json.decode(capsys.readouterr().out)
    named = case.erased if case.found_by_name else None
    assert (printed["erased"], printed["receipt"], printed["standing"]) == (named, None, False)


def test_a_timeout_after_it_says_where_it_is_recorded_and_what_is_pending(case: Case, no_broker, capsys) -> None:
    case.chain.late_at(2, case.gap)
    agent, topic = case.gap.agent, case.chain.topic
    done = f"the deletion of {case.what} is recorded at {topic}:0:9"
    lacking = f"{agent} lacks 3 events, the oldest 3 s old after 60 s"
    with pytest.raises(CommandError, match=f"{done}, but {lacking}.*again is safe") as told:
        case.erase(as_json=True)
    assert told.value.code == Exit.TIMED_OUT
    assert msgspec.json.decode(capsys.readouterr().out) == {
        "erased": case.erased,
        "standing": False,
        "receipt": f"{topic}:0:9",
        "waited_s": 60.0,
        "gaps": [
            {
                "agent": agent,
                "topic": topic,
                "partition": 0,
                "missing": 3,
                "watermark": 7,
                "held_by": "work",
                "stale_s": 3.0,
            }
        ],
    }


def test_ctrl_c_half_way_says_how_far_it_came(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    case.chain.fail_at("wait", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        case.erase()
    told = f"{case.what} is recorded at {case.chain.topic}:0:9, but not all results were seen to stand without it."
    assert capsys.readouterr().err == f"the deletion of {told} {AGAIN}\n"


def test_whatever_is_left_is_named_once_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ending = telling.Telling(Settings(home=tmp_path), 60.0, True)
    ending.end("review", [], {"left": []}, iter(()))
    left = [Left("digest", "ledger", 1, "why"), Left("answer", "ledger", 1, "why"), Left("answer", "ledger", 2, "else")]
    with pytest.raises(CommandError, match="of the review is left: ledger of answer, ledger of digest") as told:
        ending.end("review", left, {"left": left}, iter(()))
    assert told.value.code == Exit.FAILED
    printed = [msgspec.json.decode(line)["left"] for line in capsys.readouterr().out.splitlines()]
    assert [len(one) for one in printed] == [0, 3]
