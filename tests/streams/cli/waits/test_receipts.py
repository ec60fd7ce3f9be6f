from pathlib import Path

import click
import pytest

from streams.cli.errors import CommandError, Exit
from streams.cli.waits.receipts import check_receipts, produced, read_receipts
from tests.streams.cli.fake_surroundings import DIGEST, GRAPH, SUMMARIZE, Fake

TOPIC = "millrace.reviews.v1"
HERE = ("reviews", 0)
CHAIN = [DIGEST, SUMMARIZE]


def read(*receipts: str, agents=CHAIN):
    return read_receipts(receipts, agents, "millrace")


def check(fake: Fake, first: int, end: int, place=HERE, agents=CHAIN):
    return check_receipts({"reviews": {place: (first, end)}}, agents, fake)


def test_receipts_are_read_by_either_name_and_the_oldest_and_the_furthest_count() -> None:
    assert read(f"{TOPIC}:3:1041", "reviews:3:7", "points:0:0") == {
        "reviews": {(TOPIC, 3): (7, 1042)},
        "points": {("millrace.points.v1", 0): (0, 1)},
    }


@pytest.mark.parametrize(
    "receipt", ["reviews:3", "reviews:x:1", "nothing:0:1", "other.reviews.v1:0:1", "", "reviews:0:-1"]
)
def test_what_is_no_receipt_is_refused(receipt: str) -> None:
    with pytest.raises(click.BadParameter, match="is no receipt TOPIC:PARTITION:OFFSET of points, reviews"):
        read(receipt)


@pytest.mark.parametrize("receipt", ["summaries:0:1", "documents:0:1", "dead-letters:0:1"])
def test_a_receipt_of_a_topic_that_nobody_who_is_waited_for_reads_is_refused(receipt: str) -> None:
    with pytest.raises(click.BadParameter, match="nobody reads"):
        read(receipt)


def test_a_receipt_below_the_agent_that_is_waited_for_is_refused_too() -> None:
    with pytest.raises(click.BadParameter, match="nobody reads points to make what is asked for; only reviews"):
        read("points:0:1", agents=[DIGEST])


def test_a_file_of_receipts_is_read_line_by_line_beside_others(tmp_path: Path) -> None:
    file = tmp_path / "sent"
    file.write_text(f"{TOPIC}:0:4\n{TOPIC}:1:9\n\n{TOPIC}:0:6\n")
    assert read(f"@{file}", "reviews:1:20") == {"reviews": {(TOPIC, 0): (4, 7), (TOPIC, 1): (9, 21)}}


def test_of_an_empty_file_nothing_is_asked(tmp_path: Path) -> None:
    (tmp_path / "sent").touch()
    assert read(f"@{tmp_path / 'sent'}") == {}


def test_a_bad_line_is_named_and_a_missing_file_too(tmp_path: Path) -> None:
    file = tmp_path / "sent"
    file.write_text(f"{TOPIC}:0:4\n{TOPIC}:0")
    with pytest.raises(click.BadParameter, match=r"sent:2: .*is no receipt"):
        read(f"@{file}")
    with pytest.raises(click.BadParameter, match=r"cannot read .*nowhere: No such file"):
        read(f"@{tmp_path / 'nowhere'}")


def test_what_is_asked_for_begins_where_the_log_does() -> None:
    fake = Fake(logs={"reviews": (4, 10)})
    assert check(fake, 7, 9) == {"reviews": {HERE: (4, 9)}}


def test_a_record_that_is_not_there_yet_is_told_at_once() -> None:
    with pytest.raises(CommandError, match="no such record yet: reviews:0:10; reviews:0 ends at 10") as told:
        check(Fake(logs={"reviews": (0, 10)}), 3, 11)
    assert told.value.code == Exit.NOT_FOUND


def test_a_partition_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(CommandError, match="no such partition: reviews:7; reviews has 1, from 0"):
        check(Fake(logs={"reviews": (0, 10)}), 3, 4, place=("reviews", 7))


@pytest.mark.parametrize("fence", [None, 3, 5])
def test_a_record_that_expired_unread_is_told_at_once(fence: int | None) -> None:
    fake = Fake(logs={"reviews": (6, 10)})
    if fence is not None:
        fake.set("digest", "reviews", fence)
    with pytest.raises(CommandError, match="reviews:0:5 expired before digest read it; reviews:0 begins at 6"):
        check(fake, 5, 8)


def test_a_record_that_expired_after_it_was_read_stands_like_any_other() -> None:
    fake = Fake(logs={"reviews": (6, 10)})
    fake.set("digest", "reviews", 4, fence=6, held_by="timers")
    assert check(fake, 5, 6) == {"reviews": {HERE: (6, 6)}}


def test_everybody_who_reads_a_topic_must_have_read_what_expired() -> None:
    fake = Fake(logs={"reviews": (6, 10)})
    fake.set("digest", "reviews", 10)
    with pytest.raises(CommandError, match="expired before watch read it"):
        check(fake, 5, 8, agents=GRAPH)


def test_everything_produced_so_far_is_what_stands_in_topics_that_no_agent_writes() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 4)})
    assert produced(CHAIN, fake) == {"reviews": {HERE: (0, 10)}}
    assert produced([SUMMARIZE], fake) == {"points": {("points", 0): (0, 4)}}
