from infra.watermarks import Watermark
from streams.cli.lateness import gap_rows, holder, lacking, progress_line
from streams.cli.standing import Gap
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
