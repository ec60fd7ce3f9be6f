import os
import signal

import msgspec
import pytest
from rich.cells import cell_len

from streams.cli.demo import calm
from streams.cli.demonstration.demo_feed import Coverage
from streams.cli.demonstration.demo_report import Outcome, closing_lines
from streams.cli.demonstration.live_view import Snapshot, plain_line, screen_lines
from streams.cli.health import Part
from streams.cli.interrupts import interruptible, undisturbed
from tests.streams.cli.samples import HOSTILE, NOW, summary

NAMES = {"kettle-17": "Haldenby Kettle", "b": "Second", "c": "Third"}


def snapshot(**changed: object) -> Snapshot:
    parts = [Part(part=name, state="ok", lag=1, outbox=0) for name in ("broker", "supervisor", "digest", "summarize")]
    values = {"stage": "sending", "sent": 4_000, "broken": 9, "rate": 199.6, "covered": 3_900, "summaries": 512}
    values |= {"freshness_p50_s": 0.84, "freshness_p99_s": 2.4, "writer_calls": 64, "dead_letters": 9, "parts": parts}
    latest = {product_id: summary(product_id, text=HOSTILE * 20) for product_id in NAMES}
    return Snapshot(**(values | {"latest": latest, "names": NAMES} | changed))


def test_a_review_is_covered_by_the_first_summary_that_includes_its_offset() -> None:
    coverage = Coverage()
    for offset in (4, 5, 6):
        coverage.add_sent("p", 0, offset, at=10.0 + offset)
    coverage.add_sent("other", 0, 4, at=0.0)
    coverage.add_summary(msgspec.structs.replace(summary("p"), sources={"reviews": {"0": 6, "1": 99}}), at=20.0)
    assert coverage.covered == 2
    coverage.add_summary(msgspec.structs.replace(summary("p"), sources={"reviews": {"0": 7}}), at=21.0)
    assert (coverage.sent, coverage.covered, coverage.summaries) == (4, 3, 2)
    assert (coverage.freshness_s(0.5), coverage.freshness_s(0.99)) == (5.0, 6.0)


def test_before_the_first_summary_there_is_no_freshness() -> None:
    assert Coverage().freshness_s(0.5) is None


def test_a_moment_fits_a_small_screen_whatever_reviews_say() -> None:
    lines = [line.plain for line in screen_lines(snapshot(), NOW, 80, 24)]
    assert len(lines) < 24
    assert max(map(cell_len, lines)) <= 80
    assert "\x1b" not in "".join(lines)
    assert [name for name in NAMES.values() if any(line.startswith(name) for line in lines)] == list(NAMES.values())


def test_a_product_without_reviews_any_more_is_not_shown() -> None:
    latest = snapshot().latest
    ended = snapshot(latest={**latest, "b": msgspec.structs.replace(latest["b"], op="delete", text=None)})
    screen = [line.plain for line in screen_lines(ended, NOW, 80, 24)]
    end = [line.plain for line in closing_lines(Outcome(ended, 20.0, {}, None), NOW, 80)]
    for lines in (screen, end):
        shown = [name for name in NAMES.values() if any(line.startswith(name) for line in lines)]
        assert shown == ["Haldenby Kettle", "Third"]


def test_a_moment_without_a_screen_is_one_line() -> None:
    assert plain_line(snapshot(), 12.0) == (
        "   12 s  sending: 4,000 reviews in (200/s), 3,900 in 512 summaries out, freshness p99 2.4 s, all parts ok"
    )
    starting = plain_line(snapshot(parts=[Part(part="digest", state="starting")]), 1.0)
    assert starting.endswith("digest starting")


def test_while_it_starts_nothing_alarms() -> None:
    assert calm(Part(part="broker", state="down", last_error="refused")) == Part(part="broker", state="starting")
    assert calm(Part(part="broker", state="ok", last_error="x")).last_error == "x"


def test_the_end_shows_every_product_and_what_happened_within_the_screen() -> None:
    outcome = Outcome(snapshot(), 20.0, {"not_json": 3, "invalid_field": 6}, 0.94)
    lines = [line.plain for line in closing_lines(outcome, NOW, 80)]
    assert max(map(cell_len, lines)) <= 80
    assert any(line.startswith("Haldenby Kettle") for line in lines)
    told = " ".join(" ".join(lines).split())
    assert "reviews in 4,000 200 a second through Kafka" in told
    assert "dead letters 9 kept whole: invalid_field 6, not_json 3" in told
    assert "points found 94 %" in told


def test_the_first_signal_interrupts_and_impatient_ones_do_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            cleaned.append(True)
    assert cleaned
    assert signal.getsignal(signal.SIGTERM) is before


def test_nothing_disturbs_the_cleaning_up() -> None:
    with undisturbed():
        os.kill(os.getpid(), signal.SIGINT)
