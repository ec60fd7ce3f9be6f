"""What must stand of every question when everything is at rest: one answer, and nothing in it that may not be said."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas.answers import Answer, Citation
from schemas.dead_letters import DeadLetter
from schemas.documents import PUBLIC, Document, document_key, review_key
from schemas.records import Unreadable, decode
from schemas.requests import Request
from schemas.tables import GROUPS, STORES
from tests.chaos.index_truth import IndexStanding, check_no_mark
from tests.integration.harness import Workers, read_topic


@dataclass
class RequestTruth:
    """A small model of the requests: the first of each id counts; all records of one id lie on one partition."""

    asked: dict[str, Request] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)  # ids of dead letters

    @classmethod
    def of(cls, records: Sequence[Any]) -> "RequestTruth":
        truth = cls()
        for record in sorted(records, key=lambda one: (one.partition, one.offset)):
            try:
                request = decode(record.value, Request)
            except Unreadable:
                request = None
            if request is None or truth.asked.setdefault(request.request_id, request) != request:
                truth.refused.add(f"answer:{record.topic}:{record.partition}:{record.offset}")
        return truth


class AnswersStanding:
    """All that has been answered, read once everybody is at rest.

    Args:
        workers: Who answered.
        index: What stands of the documents and reviews.
    """

    def __init__(self, workers: Workers, index: IndexStanding) -> None:
        self.workers = workers
        self.index = index
        self.truth = RequestTruth.of(read_topic(workers.settings, "requests"))
        rows = self.query("SELECT request_id, revision, record, withdrawn FROM answers")
        self.stored = {request_id: bytes(record) for request_id, _, record, _ in rows}
        self.answers = {name: msgspec.json.decode(record, type=Answer) for name, record in self.stored.items()}
        self.withdrawn = {request_id for request_id, _, _, withdrawn in rows if withdrawn}
        self.citing = {name: answer for name, answer in self.answers.items() if answer.citations}

    def query(self, statement: str) -> list[tuple]:
        return self.workers.query("answer", statement)

    def told(self) -> str:
        """How much there is, for whoever reads the test's output."""
        return f"{len(self.answers)} answers, {len(self.citing)} with sources, {len(self.withdrawn)} withdrawn"

    def check(self) -> None:
        """Hold everything against the truth."""
        self.check_each_is_answered()
        self.check_published()
        for request_id, answer in self.citing.items():
            for citation in answer.citations:
                self.check_citation(self.truth.asked[request_id], citation)
        self.check_basis()
        self.check_forgotten()

    def check_each_is_answered(self) -> None:
        known = {name: bytes(record) for name, record in self.query("SELECT request_id, record FROM requests")}
        assert {name: msgspec.json.decode(record, type=Request) for name, record in known.items()} == self.truth.asked
        assert self.answers.keys() == self.truth.asked.keys()
        for name, answer in self.answers.items():
            assert answer.request_id == name
            assert answer.abstained == (answer.text is None) == (not answer.citations), name
            assert answer.reason or not answer.abstained
            assert not (name in self.withdrawn and answer.citations)

    def check_published(self) -> None:
        """What stands is what was told last, and nothing else was told under its revision."""
        told: dict[str, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
        for record in read_topic(self.workers.settings, "answers"):
            answer = msgspec.json.decode(record.value, type=Answer)
            told[answer.request_id][answer.revision].add(record.value)
        assert all(len(values) == 1 for revisions in told.values() for values in revisions.values())
        assert {name: revisions[max(revisions)] for name, revisions in told.items()} == {
            name: {record} for name, record in self.stored.items()
        }

    def check_citation(self, request: Request, citation: Citation) -> None:
        """It is of something that stands, that says so, and that the asker may see."""
        if citation.kind == "review":
            review = self.index.reviews.kept[citation.product_id, citation.document_id]
            assert citation.product_id == request.entities["product_id"]
            assert folded(citation.quote) in folded(review.text)
            return
        key = document_key(citation.tenant, citation.document_id)
        self.check_asker(request, self.index.truth.kept[key])
        (chunk,) = [one for one in self.index.expected[key] if one.chunk_id == citation.chunk_id]
        assert folded(citation.quote) in folded(chunk.text)

    def check_basis(self) -> None:
        """Whatever an answer rests on stands, and may be seen by who asked."""
        kept, reviews = self.index.truth.kept, self.index.review_rows
        said = {(review_key(*place), number) for place, (_, op, _, number) in reviews.items() if op == "upsert"}
        for request_id, key, chunk_id, cited in self.query(
            "SELECT request_id, source_key, chunk_id, cited FROM answer_basis"
        ):
            assert request_id in self.citing or not cited
            if key in kept:
                assert chunk_id in [one.chunk_id for one in self.index.expected[key]]
                self.check_asker(self.truth.asked[request_id], kept[key])
            else:
                assert (key, int(chunk_id, 16)) in said

    def check_asker(self, request: Request, document: Document) -> None:
        assert document.tenant == request.tenant
        assert {*request.principals, PUBLIC} & {*document.principals}

    def check_forgotten(self) -> None:
        names = [table.name for group in STORES["answer"] for table in GROUPS[group].sorted_tables]
        check_no_mark({name: self.query(f"SELECT * FROM {name}") for name in names}, self.index.gone)


def check_dead_letters(workers: Workers, expected: Iterable[str]) -> None:
    """Each once: a repeat is byte-identical, an event handled twice would tell another time."""
    values = {record.value for record in read_topic(workers.settings, "dead-letters")}
    letters = [msgspec.json.decode(value, type=DeadLetter).dead_letter_id for value in values]
    assert sorted(letters) == sorted(expected)


def folded(text: str | None) -> str:
    return " ".join((text or "").split())
