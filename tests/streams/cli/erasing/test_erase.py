from pathlib import Path

import msgspec
import pytest

from schemas import tables
from streams.cli.erasing.erase_view import review_json, review_lines
from streams.cli.erasing.review_erasing import review_agents
from streams.cli.erasing.steps import LAST_REVISION
from streams.cli.errors import CommandError, Exit
from streams.cli.waits.surroundings import NobodyWorks
from streams.graph import AGENTS
from tests.streams.cli.erasing.answered import entry
from tests.streams.cli.erasing.review_stage import PRODUCT, SECRET, TEXT, Stage, erased, topics
from tests.streams.cli.samples import NOW, letter

DAYS_8_S = 8 * 86_400


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, topics())


def test_the_receipt_says_exactly_what_went_what_stays_and_until_when(stage: Stage) -> None:
    outcome = erased(stage)
    assert msgspec.json.decode(msgspec.json.encode(review_json(outcome, 1.23456))) == {
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
    (sent,) = stage.chain.produced
    assert (sent.op, sent.review_id, sent.product_id, sent.revision, sent.text) == ("delete", SECRET, PRODUCT, 5, None)
    assert stage.chain.waits == [
        (["digest"], {"reviews": {("reviews", 0): (0, 9)}}, True),
        (["digest", "summarize"], {"reviews": {("reviews", 0): (0, 10)}}, False),
    ]


def test_people_read_it_in_eighty_columns(stage: Stage) -> None:
    lines = [line.plain for line in review_lines(erased(stage), 1.2, 1_002.0, postgres=False)]
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
    stage.stores.put("summarize", tables.ledger, entry("old", f"Some say: {TEXT}", None))
    stage.chain.waits.clear()
    outcome = erased(stage)
    assert (outcome.target.was, outcome.receipt, len(stage.chain.produced)) == ("deleted", None, 1)
    assert outcome.removed == {("summarize", "ledger"): 1}
    assert stage.chain.waits[1] == (["digest", "summarize"], {"reviews": {("reviews", 0): (0, 9)}}, False)
    assert outcome.left == []
    assert next(review_lines(outcome, 1.0, NOW, postgres=True)).plain == "Deleted before: review secret of p"


def test_answers_of_before_that_belong_to_nobody_go_when_they_say_its_words(stage: Stage) -> None:
    harmless = entry("harmless", "Some say: the zipper feels rather stiff today.", None)
    stage.stores.put("summarize", tables.ledger, entry("old", f"Some say: {TEXT}", None), harmless)
    outcome = erased(stage)
    assert outcome.removed["summarize", "ledger"] == 2
    kept = sorted(row["ledger_key"] for row in stage.stores.rows("summarize", tables.ledger))
    assert kept == ["asked", "harmless", "other"]


def test_a_dead_letter_on_its_way_loses_its_payload_and_nothing_else(stage: Stage) -> None:
    version = msgspec.json.encode({"product_id": PRODUCT, "review_id": SECRET, "text": TEXT, "rating": 9})
    output = {"input_topic": "reviews", "input_partition": 0, "input_offset": 1, "topic": "millrace.dead-letters.v1"}
    for payload in (version, b"{}"):
        told = msgspec.json.encode(letter(payload=payload))
        stage.stores.put("digest", tables.outbox, {**output, "key": b"k", "value": told, "headers": b"[]"})
    outcome = erased(stage)
    assert outcome.removed["digest", "outbox"] == 1
    values = [row["value"] for row in stage.stores.rows("digest", tables.outbox)]
    assert values == [msgspec.json.encode(letter(payload=version, payload_base64=None, headers=[])), values[1]]
    assert values[1] == msgspec.json.encode(letter(payload=b"{}"))


def test_what_the_agents_leave_behind_is_told_with_a_reason(stage: Stage) -> None:
    def half() -> None:
        stage.stores.open("digest").change(stage.forget_review)

    stage.chain.on_gone = half
    outcome = erased(stage)
    assert {(one.agent, one.where, one.count) for one in outcome.left} == {
        ("summarize", "ledger", 1),  # written before the deletion
        ("summarize", "summaries", 3),
        ("summarize", "text", 1),
    }
    lines = [line.plain for line in review_lines(outcome, 1.0, NOW, postgres=False)]
    assert "NOT REMOVED  summarize: 3 quotes: it is still there" in "\n".join(lines)
    assert review_json(outcome, 1.0)["left"][0]["why"].startswith("it is still there")


def test_words_left_where_nobody_expects_them_are_found(stage: Stage) -> None:
    def forget() -> None:
        stage.forget()
        stage.stores.put("summarize", tables.ledger, entry("late", f"A late call says: {TEXT}", PRODUCT))

    stage.chain.on_gone = forget
    (left,) = erased(stage).left
    assert (left.agent, left.where, left.count) == ("summarize", "ledger", 1)
    assert "words" in left.why


def test_words_that_another_review_says_too_are_that_ones(stage: Stage) -> None:
    def forget() -> None:
        stage.forget()
        stage.stores.put("summarize", tables.ledger, entry("late", f"Somebody else says: {TEXT}", PRODUCT))
        same = msgspec.json.encode({"product_id": PRODUCT, "review_id": "r9", "text": TEXT})
        row = {"ordinal": 9, "revision": 0, "at": 0.0, "trace": b"", "record": same}
        stage.stores.put("digest", tables.reviews, {"product_id": PRODUCT, "review_id": "r9", **row})

    stage.chain.on_gone = forget
    assert erased(stage).left == []


def test_a_newer_version_that_came_meanwhile_is_told(stage: Stage) -> None:
    def come_back() -> None:
        stage.stores.open("digest").change(
            lambda connection: connection.execute(
                tables.reviews.update().where(tables.reviews.c.review_id == SECRET).values(revision=9)
            )
        )

    stage.chain.on_gone = come_back
    outcome = erased(stage)
    assert {one.why for one in outcome.left} == {"a newer version of it has come, revision 9: erase it again"}


def test_an_unseen_review_gets_a_tombstone_and_its_words_are_not_known(stage: Stage) -> None:
    def bury() -> None:
        stage.stores.put("digest", tables.tombstones, {"product_id": PRODUCT, "review_id": "new", "revision": 0})

    stage.chain.on_gone = bury
    outcome = erased(stage, "p/new", unseen=True)
    assert (stage.chain.produced[0].op, stage.chain.produced[0].revision) == ("delete", 0)
    told = review_json(outcome, 1.0)
    assert (told["was"], told["removed"], told["retained"], told["looked_for"]) == ("unseen", [], [], ["id"])
    lines = [line.plain for line in review_lines(outcome, 1.0, NOW, postgres=True)]
    assert "No topic holds it." in lines
    assert "Its words are not known any more: only its id was looked for." in lines


def test_ids_that_are_no_ids_are_refused_before_anything_is_sent(stage: Stage) -> None:
    with pytest.raises(CommandError, match=r"review_id: .*length <= 200") as told:
        erased(stage, "p/" + "x" * 300, unseen=True)
    assert (told.value.code, stage.chain.produced) == (Exit.USAGE, [])


def test_the_last_revision_there_is_can_be_erased(stage: Stage) -> None:
    last = {"revision": LAST_REVISION}
    stage.stores.open("digest").change(lambda connection: connection.execute(tables.reviews.update().values(last)))
    erased(stage)
    assert stage.chain.produced[0].revision == LAST_REVISION


def test_an_unknown_review_ends_with_5_and_sends_nothing(stage: Stage) -> None:
    with pytest.raises(CommandError, match="nothing is known of a review 'p/nope'") as told:
        erased(stage, "p/nope")
    assert (told.value.code, stage.chain.produced) == (Exit.NOT_FOUND, [])


@pytest.mark.parametrize("agent", ["digest", "summarize"])
def test_without_a_worker_nothing_is_begun(stage: Stage, agent: str) -> None:
    stage.chain.fake.stopped.add(agent)
    with pytest.raises(NobodyWorks, match=f"{agent} does not run"):
        erased(stage)
    assert stage.chain.produced == []


def test_agents_that_never_ran_here_are_not_waited_for_unless_none_ever_did() -> None:
    assert [agent.name for agent in review_agents({"digest", "index"}.__contains__)] == ["digest", "index"]
    assert [agent.name for agent in review_agents(lambda _agent: False)] == list(AGENTS)
