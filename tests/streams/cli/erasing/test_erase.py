from pathlib import Path

import msgspec
import pytest

from infra.errors import BrokerUnreachable
from infra.settings import Settings
from infra.watermarks import Watermark
from schemas import tables
from streams.cli.erasing import erase_review as erase
from streams.cli.erasing.erase_review import AGAIN, Asked, run
from streams.cli.erasing.review_erase_view import receipt_json, receipt_lines
from streams.cli.erasing.review_erasing import LAST_REVISION, Outcome
from streams.cli.errors import CommandError, Exit
from streams.cli.waits.standing import Gap, NotStanding
from streams.cli.waits.surroundings import NobodyWorks
from tests.streams.cli.erasing.erasing_stage import PRODUCT, SECRET, TEXT, Stage, entry, topics
from tests.streams.cli.samples import NOW, letter

DAYS_8_S = 8 * 86_400


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, topics())


def erased(stage: Stage, named: str = f"{PRODUCT}/{SECRET}", **asked: object) -> Outcome:
    values = {"product_id": None, "unseen": False, "timeout_s": 60.0, "as_json": False}
    return run(stage.erasing(), Settings(home=stage.home), Asked(named, **(values | asked)))  # type: ignore[arg-type]


def test_the_receipt_says_exactly_what_went_what_stays_and_until_when(stage: Stage) -> None:
    outcome = erased(stage)
    assert msgspec.json.decode(msgspec.json.encode(receipt_json(outcome, 1.23456))) == {
        "erased": {"kind": "review", "product_id": "p", "review_id": "secret", "revision": 5},
        "was": "kept",
        "receipt": "reviews:0:9",
        "removed": [
            {"agent": "digest", "where": "product_parts", "count": 4},
            {"agent": "digest", "where": "reviews", "count": 1},
            {"agent": "summarize", "where": "ledger", "count": 1},
            {"agent": "summarize", "where": "summaries", "count": 3},
            {"agent": "summarize", "where": "text", "count": 1},
        ],
        "kept": [
            {"agent": "digest", "where": "tombstones", "product_id": "p", "review_id": "secret", "revision": 5},
            {"agent": "digest", "where": "forgotten", "product_id": "p", "review_id": "secret"},
            {"agent": "summarize", "where": "forgotten", "product_id": "p", "review_id": "secret"},
        ],
        "left": [],
        "looked_for": ["id", "words"],
        "scrubbed": ["digest"],
        "retained": [
            {
                "topic": "millrace.reviews.v1",
                "partitions": [0],
                "records": 1,
                "until": "1970-01-09T00:16:42Z",
                "unbounded": None,
            },
            {
                "topic": "millrace.points.v1",
                "partitions": [0],
                "records": 2,
                "until": "1970-01-09T00:16:43Z",
                "unbounded": None,
            },
        ],
        "waited_s": 1.235,
    }
    assert outcome.retained[0].until == 1_002.0 + DAYS_8_S


def test_first_all_is_applied_then_one_deletion_is_sent_and_waited_for_through_the_chain(stage: Stage) -> None:
    erased(stage)
    (sent,) = stage.produced
    assert (sent.op, sent.review_id, sent.product_id, sent.revision, sent.text) == ("delete", SECRET, PRODUCT, 5, None)
    assert stage.waits == [
        (["digest"], {"reviews": {("reviews", 0): (0, 9)}}, True),
        (["digest", "summarize"], {"reviews": {("reviews", 0): (0, 10)}}, False),
    ]


def test_people_read_it_in_eighty_columns(stage: Stage) -> None:
    lines = [line.plain for line in receipt_lines(erased(stage), 1.2, 1_002.0, postgres=False)]
    assert lines == [
        "Erased: review secret of p",
        "",
        "  removed    digest     1 review · 4 quotes",
        "             summarize  3 quotes · 1 text that cited it · 1 ledger entry",
        "  kept       digest     a tombstone: no revision up to 5 brings it back",
        "             digest     its id among the forgotten",
        "             summarize  its id among the forgotten",
        "  deletion   reviews:0:9, in all results after 1.2 s",
        "",
        "Kafka keeps what was published until it expires, at the latest:",
        "  millrace.reviews.v1      1 record  1970-01-09 00:16 UTC, in 8 d",
        "  millrace.points.v1      2 records  1970-01-09 00:16 UTC, in 8 d",
        "Readers of the topics must drop what they kept; the delete record tells them.",
        "Free pages of the database files may hold bytes of it;",
        "`sqlite3 FILE VACUUM` writes one anew.",
    ]
    assert max(map(len, lines)) <= 80


def test_erased_again_it_says_so_sends_nothing_and_still_purges(stage: Stage) -> None:
    erased(stage)
    stage.put("summarize", tables.ledger, entry("old", f"Some say: {TEXT}", None))
    stage.waits.clear()
    outcome = erased(stage)
    assert (outcome.target.was, outcome.receipt, len(stage.produced)) == ("deleted", None, 1)
    assert outcome.removed == {("summarize", "ledger"): 1}
    assert stage.waits[1] == (["digest", "summarize"], {"reviews": {("reviews", 0): (0, 9)}}, False)
    assert outcome.left == []
    assert next(receipt_lines(outcome, 1.0, NOW, postgres=True)).plain == "Deleted before: review secret of p"


def test_answers_of_before_that_belong_to_nobody_go_when_they_say_its_words(stage: Stage) -> None:
    stage.put("summarize", tables.ledger, entry("old", f"Some say: {TEXT}", None))
    stage.put("summarize", tables.ledger, entry("harmless", "Some say: the zipper feels rather stiff today.", None))
    outcome = erased(stage)
    assert outcome.removed["summarize", "ledger"] == 2
    assert sorted(row[0] for row in stage.rows("summarize", tables.ledger)) == ["asked", "harmless", "other"]


def test_a_dead_letter_on_its_way_loses_its_payload_and_nothing_else(stage: Stage) -> None:
    version = msgspec.json.encode({"product_id": PRODUCT, "review_id": SECRET, "text": TEXT, "rating": 9})
    output = {"input_topic": "reviews", "input_partition": 0, "input_offset": 1, "topic": "millrace.dead-letters.v1"}
    for payload in (version, b"{}"):
        told = msgspec.json.encode(letter(payload=payload))
        stage.put("digest", tables.outbox, {**output, "key": b"k", "value": told, "headers": b"[]"})
    outcome = erased(stage)
    assert outcome.removed["digest", "outbox"] == 1
    values = [row[6] for row in stage.rows("digest", tables.outbox)]
    assert values == [msgspec.json.encode(letter(payload=version, payload_base64=None, headers=[])), values[1]]
    assert values[1] == msgspec.json.encode(letter(payload=b"{}"))


def test_what_the_agents_leave_behind_is_told_with_a_reason(stage: Stage) -> None:
    def half() -> None:
        stage.store("digest").change(stage._forget_review)

    stage.on_gone = half
    outcome = erased(stage)
    assert {(one.agent, one.where, one.count) for one in outcome.left} == {
        ("summarize", "ledger", 1),  # written before the deletion
        ("summarize", "summaries", 3),
        ("summarize", "text", 1),
    }
    lines = [line.plain for line in receipt_lines(outcome, 1.0, NOW, postgres=False)]
    assert "NOT REMOVED  summarize: 3 quotes: it is still there" in "\n".join(lines)
    assert receipt_json(outcome, 1.0)["left"][0]["why"].startswith("it is still there")


def test_words_left_where_nobody_expects_them_are_found(stage: Stage) -> None:
    def forget() -> None:
        stage.forget()
        stage.put("summarize", tables.ledger, entry("late", f"A late call says: {TEXT}", PRODUCT))

    stage.on_gone = forget
    (left,) = erased(stage).left
    assert (left.agent, left.where, left.count) == ("summarize", "ledger", 1)
    assert "words" in left.why


def test_words_that_another_review_says_too_are_that_ones(stage: Stage) -> None:
    def forget() -> None:
        stage.forget()
        stage.put("summarize", tables.ledger, entry("late", f"Somebody else says: {TEXT}", PRODUCT))
        same = msgspec.json.encode({"product_id": PRODUCT, "review_id": "r9", "text": TEXT})
        row = {"ordinal": 9, "revision": 0, "at": 0.0, "trace": b"", "record": same}
        stage.put("digest", tables.reviews, {"product_id": PRODUCT, "review_id": "r9", **row})

    stage.on_gone = forget
    assert erased(stage).left == []


def test_a_newer_version_that_came_meanwhile_is_told(stage: Stage) -> None:
    def come_back() -> None:
        stage.store("digest").change(
            lambda connection: connection.execute(
                tables.reviews.update().where(tables.reviews.c.review_id == SECRET).values(revision=9)
            )
        )

    stage.on_gone = come_back
    outcome = erased(stage)
    assert {one.why for one in outcome.left} == {"a newer version of it has come, revision 9: erase it again"}


def test_an_unseen_review_gets_a_tombstone_and_its_words_are_not_known(stage: Stage) -> None:
    def bury() -> None:
        stage.put("digest", tables.tombstones, {"product_id": PRODUCT, "review_id": "new", "revision": 0})

    stage.on_gone = bury
    outcome = erased(stage, "p/new", unseen=True)
    assert (stage.produced[0].op, stage.produced[0].revision) == ("delete", 0)
    told = receipt_json(outcome, 1.0)
    assert (told["was"], told["removed"], told["retained"], told["looked_for"]) == ("unseen", [], [], ["id"])
    lines = [line.plain for line in receipt_lines(outcome, 1.0, NOW, postgres=True)]
    assert "No topic holds it." in lines
    assert "Its words are not known any more: only its id was looked for." in lines


def test_ids_that_are_no_ids_are_refused_before_anything_is_sent(stage: Stage) -> None:
    with pytest.raises(CommandError, match=r"review_id: .*length <= 200") as told:
        erased(stage, "p/" + "x" * 300, unseen=True)
    assert (told.value.code, stage.produced) == (Exit.USAGE, [])


def test_the_last_revision_there_is_can_be_erased(stage: Stage) -> None:
    last = {"revision": LAST_REVISION}
    stage.store("digest").change(lambda connection: connection.execute(tables.reviews.update().values(last)))
    erased(stage)
    assert stage.produced[0].revision == LAST_REVISION


def test_an_unknown_review_ends_with_5_and_sends_nothing(stage: Stage) -> None:
    with pytest.raises(CommandError, match="nothing is known of a review 'p/nope'") as told:
        erased(stage, "p/nope")
    assert (told.value.code, stage.produced) == (Exit.NOT_FOUND, [])


@pytest.mark.parametrize("agent", ["digest", "summarize"])
def test_without_a_worker_nothing_is_begun(stage: Stage, agent: str) -> None:
    stage.fake.stopped.add(agent)
    with pytest.raises(NobodyWorks, match=f"{agent} does not run"):
        erased(stage)
    assert stage.produced == []


GAP = Gap("digest", ("reviews", 0), Watermark(9, 7, "work", "rebuild"), 10)


def late_from(stage: Stage, number: int) -> None:
    def wait(agents, origins, applied: bool) -> None:
        stage.waits.append(([], {}, applied))
        if len(stage.waits) == number:
            raise NotStanding([GAP])

    stage.wait = wait  # type: ignore[method-assign]


@pytest.fixture
def no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erase, "find_staleness", lambda settings, gaps, now: [3.0 for _ in gaps])


def test_a_timeout_before_the_deletion_says_that_nothing_is_erased(stage, no_broker, capsys) -> None:
    late_from(stage, 1)
    with pytest.raises(CommandError, match="nothing is erased yet, but digest lacks 3 events") as told:
        erased(stage, as_json=True)
    assert (told.value.code, stage.produced) == (Exit.TIMED_OUT, [])
    printed = msgspec.json.decode(capsys.readouterr().out)
    assert (printed["erased"], printed["receipt"], printed["standing"]) == (None, None, False)


def test_a_timeout_after_it_says_where_it_is_recorded_and_what_is_pending(stage, no_broker, capsys) -> None:
    late_from(stage, 2)
    pattern = "deletion of review secret of p is recorded at reviews:0:9, but digest lacks 3 events, the oldest 3 s old"
    with pytest.raises(CommandError, match=f"{pattern} after 60 s.*again is safe") as told:
        erased(stage, as_json=True)
    assert told.value.code == Exit.TIMED_OUT
    assert msgspec.json.decode(capsys.readouterr().out) == {
        "erased": {"kind": "review", "product_id": "p", "review_id": "secret", "revision": None},
        "standing": False,
        "receipt": "reviews:0:9",
        "waited_s": 60.0,
        "gaps": [
            {
                "agent": "digest",
                "topic": "reviews",
                "partition": 0,
                "missing": 3,
                "watermark": 7,
                "held_by": "work",
                "stale_s": 3.0,
            }
        ],
    }


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("produce", "the deletion of review secret of p may be recorded, but no Kafka broker answers"),
        ("wait", "the deletion of review secret of p is recorded at reviews:0:9, but no Kafka broker answers"),
        ("logs", "the deletion of review secret of p is recorded at reviews:0:9, but no Kafka broker answers"),
    ],
)
def test_a_failure_half_way_says_how_far_it_came(stage: Stage, step: str, told: str) -> None:
    def fail(*_: object) -> None:
        raise BrokerUnreachable("kafka:9092")

    if step == "wait":
        stage.on_gone = fail
    elif step == "logs":
        stage.logs.read = fail  # type: ignore[method-assign, assignment]
    else:
        stage.produce = fail  # type: ignore[method-assign, assignment]
    with pytest.raises(CommandError, match=told) as failed:
        erased(stage)
    assert failed.value.code == Exit.FAILED
    assert AGAIN in str(failed.value)


def test_ctrl_c_half_way_says_how_far_it_came(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    stage.on_gone = interrupt
    with pytest.raises(KeyboardInterrupt):
        erased(stage)
    assert "is recorded at reviews:0:9, but not all results were seen" in capsys.readouterr().err
