"""``millrace erase review`` where reviews are searched and asked, too."""

from pathlib import Path

import msgspec
import pytest

from infra.rows.review_text_rows import ReviewTextRow, write_review_texts
from infra.words.words import ReviewWordRow, count_review_words, drop_review_words, put_review_words
from schemas.documents import review_key
from schemas.reviews import Review
from schemas.tables import reviews
from streams.cli.erasing.erase_view import review_json, review_lines
from streams.graph import AGENTS
from streams.index_reviews import review_row_id
from tests.streams.cli.erasing.answered import answer, citation, put_answer, withdraw
from tests.streams.cli.erasing.review_stage import PRODUCT, SECRET, TEXT, Stage, erased, topics
from tests.streams.cli.fake_logs import record
from tests.streams.cli.fake_surroundings import DIGEST, SUMMARIZE
from tests.streams.cli.samples import fill_store

KEY = review_key(PRODUCT, SECRET)
MINE = {"kind": "review", "product_id": PRODUCT}
LATE = (
    "Nobody at the service desk ever answered my letters about it. " * 60 + "The hinge squeaks like an old barn door."
)
"""The last sentence is one that the digest does not read: it reads the first forty."""


class Everywhere:
    """All four agents, the two newer ones by hand."""

    def __init__(self, home: Path) -> None:
        agents = [DIGEST, SUMMARIZE, AGENTS["index"], AGENTS["answer"]]
        self.stage = Stage(home, topics(), agents)
        self.stores, self.chain = self.stage.stores, self.stage.chain
        self.chain.on_gone = self.forget
        fill_store(home, "index", {})
        fill_store(home, "answer", {})
        self.stores.open("index").change(self._take_review)
        self.ask("q1", f'"{TEXT[:54]}" [1]', PRODUCT, KEY)
        self.ask("q2", '"It boils fast." [1]', PRODUCT, KEY, cited=False)

    def _take_review(self, connection) -> None:
        row_id = review_row_id(PRODUCT, SECRET, 1)
        write_review_texts(connection, [(text_row(row_id, "upsert", 4, 1), 0)])
        put_review_words(connection, [ReviewWordRow(row_id, PRODUCT, "", TEXT)])

    def ask(self, request_id: str, text: str, product_id: str, reads: str, *, cited: bool = True) -> None:
        told = answer(request_id, text, citation(text, SECRET, kind="review", product_id=product_id))
        put_answer(self.stores, told, reads=reads, cited=cited, entities={"product_id": product_id})

    def forget(self) -> None:
        self.stage.forget()
        self.stores.open("index").change(self._drop_review)
        self.stores.open("answer").change(lambda connection: withdraw(connection, KEY))

    def _drop_review(self, connection) -> None:
        drop_review_words(connection, [review_row_id(PRODUCT, SECRET, 1)])
        row = text_row(review_row_id(PRODUCT, SECRET, 2), "delete", self.chain.produced[-1].revision, 2)
        write_review_texts(connection, [(row, 1)])


def text_row(row_id: int, op: str, revision: int, version: int) -> ReviewTextRow:
    return ReviewTextRow(
        product_id=PRODUCT, review_id=SECRET, row_id=row_id, revision=revision, version=version, op=op, title=None,
        text=TEXT if op == "upsert" else None, rating=1.0, at=0.0, vector=None,
    )  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path) -> Everywhere:
    return Everywhere(tmp_path)


def test_its_searchable_text_and_the_answers_that_cite_it_go_too(stage: Everywhere) -> None:
    told = review_json(erased(stage.stage), 1.0)
    removed = {(one["agent"], one["where"]): one["count"] for one in told["removed"]}
    assert {place: removed[place] for place in removed if place[0] in ("index", "answer")} == {
        ("index", "review_texts"): 1,
        ("answer", "answers"): 1,
        ("answer", "ledger"): 2,  # of another question, too, that read it and did not cite it
    }
    assert (told["left"], [one["agent"] for one in told["kept"] if one["where"] == "tombstones"]) == (
        [],
        ["digest", "index"],
    )


def test_everyone_who_reads_reviews_is_waited_for_and_nothing_else_that_they_read(stage: Everywhere) -> None:
    erased(stage.stage)
    assert stage.chain.waits == [
        (["digest", "index"], {"reviews": {("reviews", 0): (0, 9)}}, True),
        (["digest", "summarize", "index", "answer"], {"reviews": {("reviews", 0): (0, 10)}}, False),
    ]


def test_people_see_all_four_agents_in_eighty_columns(stage: Everywhere) -> None:
    lines = [line.plain for line in review_lines(erased(stage.stage), 1.2, 1_002.0, postgres=False)]
    assert "  removed    answer     1 answer that cited it · 2 ledger entries" in lines
    assert "             index      1 searchable text" in lines
    assert "             index      a tombstone: no revision up to 5 brings it back" in lines
    assert max(len(line) for line in lines) <= 80


@pytest.mark.parametrize("also", ["answer", "index"])
def test_what_index_or_answer_leave_behind_is_told(stage: Everywhere, also: str) -> None:
    gone = stage.forget

    def leave() -> None:
        gone()
        if also == "answer":
            stage.ask("late", f'"{TEXT[:54]}" [1]', PRODUCT, "other")
        else:
            row = ReviewWordRow(review_row_id(PRODUCT, SECRET, 1), PRODUCT, "", TEXT)
            stage.stores.open("index").change(lambda connection: put_review_words(connection, [row]))
            with stage.stores.open("index", "ro").transaction() as connection:
                assert count_review_words(connection, [row.row_id]) == 1

    stage.chain.on_gone = leave
    left = {(one.agent, one.where): one.count for one in erased(stage.stage).left}
    assert left == (
        {("answer", "answers"): 1, ("answer", "ledger"): 1} if also == "answer" else {("index", "review_words"): 1}
    )


def test_what_answers_about_other_products_say_is_not_its(stage: Everywhere) -> None:
    stage.ask("other", f'"{TEXT[:54]}" [1]', "another product", "other")
    stage.chain.logs.topics["answers"] = [
        record(0, answer("other", TEXT, citation(TEXT, "r9", kind="review", product_id="another product")), b"other"),
        record(1, answer("q1", TEXT, citation(TEXT, SECRET, **MINE)), b"q1"),
        record(2, answer("q2", TEXT, citation("else", "r9", **MINE)), b"q2"),
    ]
    outcome = erased(stage.stage)
    assert outcome.left == []
    assert {one.topic: one.records for one in outcome.retained}["millrace.answers.v1"] == 2


def test_an_answer_may_quote_what_the_digest_never_read(stage: Everywhere) -> None:
    whole = Review(review_id=SECRET, product_id=PRODUCT, text=LATE, rating=1)
    stage.stores.open("digest").change(
        lambda connection: connection.execute(
            reviews.update().where(reviews.c.review_id == SECRET).values(record=msgspec.json.encode(whole))
        )
    )
    stage.ask("late", "The hinge squeaks like an old barn door.", PRODUCT, "other")
    assert {(one.agent, one.where) for one in erased(stage.stage).left} == {("answer", "answers"), ("answer", "ledger")}


def test_another_reviews_title_is_not_its(stage: Everywhere) -> None:
    same = Review(review_id="r9", product_id=PRODUCT, title=TEXT[:54], text="Fine.", rating=1)
    row = {"ordinal": 9, "revision": 0, "at": 0.0, "trace": b"", "record": msgspec.json.encode(same)}
    stage.stores.put("digest", reviews, {"product_id": PRODUCT, "review_id": "r9", **row})
    stage.ask("late", f'"{TEXT[:54]}" [1]', PRODUCT, "other")
    assert erased(stage.stage).left == []
