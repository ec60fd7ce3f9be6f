import json
import os

import click
import pytest

from infra.errors import BrokerUnreachable
from infra.heartbeats import write_heartbeat, write_supervision
from infra.settings import Settings
from infra.watermarks import Watermark
from schemas.heartbeats import Child, Counters, Heartbeat, Supervision
from streams.cli.errors import CommandError, Exit
from streams.cli.wait import report_late
from streams.cli.waits import lateness
from streams.cli.waits.lateness import (
    Late,
    find_reason,
    find_staleness,
    gap_rows,
    holder,
    lacking,
    progress_line,
    tell_late,
)
from streams.cli.waits.standing import Gap
from streams.digest_decision import READING, REBUILD
from streams.graph import AGENTS
from streams.summarize import WRITING

TOPIC = "millrace.reviews.v1"
GAPS = [
    Gap("digest", (TOPIC, 0), Watermark(7, 5, "timers", "reading"), 10),
    Gap("digest", (TOPIC, 1), Watermark(9, 9, "fence"), 10),
]


def test_progress_tells_what_is_missing_where_and_why() -> None:
    assert progress_line(GAPS) == "digest: 6 events to go (waiting for a quiet moment)"


def test_what_lacks_is_told_with_the_age_of_the_oldest_event_that_is_known() -> None:
    assert lacking(GAPS, [4.2, None]) == "digest lacks 6 events, the oldest 4 s old"
    assert lacking(GAPS[1:], [None]) == "digest lacks 1 event"


def test_machines_get_every_gap() -> None:
    assert gap_rows(GAPS[:1], [4.2]) == [
        {
            "agent": "digest", "topic": TOPIC, "partition": 0, "missing": 5, "watermark": 5, "held_by": "timers",
            "stale_s": 4.2,
        }
    ]  # fmt: skip


def test_every_kind_of_timer_and_work_has_its_words_where_agents_declare_themselves() -> None:
    assert set(AGENTS["digest"].pending) == {READING, REBUILD}
    assert set(AGENTS["summarize"].pending) == {WRITING}


def test_agents_without_words_of_their_own_get_plain_ones() -> None:
    assert holder("index", Watermark(9, 5, "work", "embed")) == "waiting to be worked on"
    assert holder("digest", Watermark(9, 5, "timers", "unheard of")) == "waiting for its time"


LATE = Late(GAPS, "after 5 s", "Wait longer.")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What was asked of the broker; it knows the time of one record, of 1970."""
    told = []
    monkeypatch.setattr(lateness, "first_times", lambda _, ranges: told.append(ranges) or {(TOPIC, 1): 40.0})
    return told


def test_ages_are_those_of_the_first_missing_records(asked) -> None:
    assert find_staleness(Settings(), GAPS, now=50.0) == [None, 10.0]
    assert find_staleness(Settings(), GAPS, now=30.0) == [None, 0.0]  # clocks that disagree give no negative age
    assert asked[0] == {(TOPIC, 0): (5, 10), (TOPIC, 1): (9, 10)}


def test_without_a_broker_ages_are_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def silence(*_) -> None:
        raise BrokerUnreachable("localhost:1")

    monkeypatch.setattr(lateness, "first_times", silence)
    assert find_staleness(Settings(), GAPS, now=50.0) == [None, None]


def test_people_are_told_on_one_line_how_stale_it_is(asked) -> None:
    with pytest.raises(CommandError) as told:
        tell_late(Settings(), LATE, as_json=False)
    assert told.value.code == Exit.TIMED_OUT
    assert told.value.message.startswith("digest lacks 6 events, the oldest ")
    assert told.value.message.endswith(" d old (waiting for a quiet moment) after 5 s")


def test_machines_are_told_on_stderr_and_nothing_else_is_there(asked, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit) as ending:
        tell_late(Settings(), LATE, as_json=True)
    assert ending.value.exit_code == Exit.TIMED_OUT
    printed = capsys.readouterr()
    told = json.loads(printed.err)
    assert (printed.out, told["standing"], told["stale_s"]) == ("", False, told["gaps"][1]["stale_s"])
    assert [gap["missing"] for gap in told["gaps"]] == [5, 1]


NOW = 1_000.0
WORKED_ON = [Gap("summarize", (TOPIC, 0), Watermark(9, 5, "work", WRITING), 10)]


def beat(**changed: object) -> Heartbeat:
    values = {"slot": 0, "pid": os.getpid(), "at": NOW, "started_at": NOW, "state": "running", "batch_started_at": None}
    values |= {"partitions": [], "counters": Counters(), "outbox_depth": 0, "work_depth": 2, "timer_depth": 0}
    return Heartbeat(agent="summarize", newest_event_at=None, **(values | {"last_error": None} | changed))


def test_why_what_is_missing_does_not_come_is_told_if_anything_tells(tmp_path) -> None:
    settings = Settings(home=tmp_path)
    assert find_reason(settings, WORKED_ON, NOW) is None
    write_heartbeat(tmp_path, beat(last_error="a crash"))
    assert find_reason(settings, WORKED_ON, NOW) == "a crash"
    write_heartbeat(tmp_path, beat(work_failing=1, work_error="HTTP 401\x1b[2J: set the key."))
    assert find_reason(settings, WORKED_ON, NOW) == "HTTP 401: set the key"
    unread = [Gap("summarize", (TOPIC, 0), Watermark(9, 9, "fence"), 10)]
    assert find_reason(settings, unread, NOW) is None  # it is not what these wait for
    assert find_reason(settings, GAPS, NOW) is None  # nor does digest
    child = Child(agent="summarize", slot=0, pid=None, restarts=1, last_exit=78, refusal="no model. Install one.")
    write_supervision(tmp_path, Supervision(pid=os.getpid(), at=NOW, children=[child]))
    assert find_reason(settings, unread, NOW) == "it refuses to run: no model. Install one"


@pytest.fixture
def failing(asked, tmp_path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Where a model refuses the key, now."""
    monkeypatch.setattr("time.time", lambda: NOW)
    write_heartbeat(tmp_path, beat(work_failing=1, work_error="HTTP 401: set the key"))
    return Settings(home=tmp_path)


def test_who_waited_in_vain_is_told_why(failing, capsys: pytest.CaptureFixture[str]) -> None:
    error = report_late(failing, WORKED_ON, 5.0, as_json=False)
    assert error.message == "summarize lacks 5 events after 5 s: HTTP 401: set the key"
    report_late(failing, WORKED_ON, 5.0, as_json=True)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["why"] == "HTTP 401: set the key"


def test_who_reads_what_is_late_is_told_why(failing, capsys: pytest.CaptureFixture[str]) -> None:
    late = Late(WORKED_ON, "after 5 s", "Wait longer.")
    with pytest.raises(CommandError, match=r"\(waiting for its text\) after 5 s: HTTP 401: set the key"):
        tell_late(failing, late, as_json=False)
    with pytest.raises(click.exceptions.Exit):
        tell_late(failing, late, as_json=True)
    assert json.loads(capsys.readouterr().err)["why"] == "HTTP 401: set the key"
