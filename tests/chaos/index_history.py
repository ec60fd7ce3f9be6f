"""Histories of documents, reviews and questions as the world sends them: edited, renamed, hidden, deleted, broken."""

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from schemas.documents import Document, document_key
from schemas.requests import Request
from tests.chaos.history import BROKEN, ELSEWHERE, History, Sent

REVIEW_SHARE = 0.25
REQUEST_SHARE = 0.2

UNREADABLE_FROM = 1_000_000
"""Revisions of documents that nobody can read: higher than all others, so that each is looked at and refused."""

TENANTS = (None, None, "acme")
PRINCIPALS = (["public"], ["public"], ["staff"], ["office", "staff"], ["board"])
ASKERS = (
    ([], None),
    (["staff"], None),
    (["office", "guests"], None),
    (["board"], None),
    ([], "acme"),
    (["staff"], "acme"),
)

DEADLINES_MS = (180_000, 180_000, 180_000, 3_000, 1)
"""Most can wait until everybody is up again: an answer that comes too late says nothing that could be wrong."""

SHARES = {
    "new": 24, "edit": 14, "retitle": 6, "rename": 8, "hide": 12, "withhold": 8, "label": 6, "delete": 8, "back": 4,
    "again": 6, "older": 5, "early": 2, "broken": 3, "unreadable": 4,
}  # fmt: skip
"""How often each kind of document is sent, in parts of all."""

REQUEST_SHARES = {"ask": 60, "ask_of_product": 20, "ask_again": 10, "ask_otherwise": 5, "ask_badly": 5}

COMMON = [
    f"The {part} of the {machine} is {state} and needs to be looked at by whoever is on duty."
    for part in ("valve", "seal", "motor")
    for machine in ("pump", "press", "crane")
    for state in ("worn", "new", "loose")
]
"""Sentences many documents have: their chunks are of one text, and embedded once."""

PAGES = "<html><body><h1>{title}</h1><p>{body}</p></body></html>"


@dataclass
class IndexHistory:
    """Makes records from a seed; every revision's text has a word no other has, and each document one to ask for.

    Args:
        seed: Equal seeds make equal histories.
        partitions: Of each topic.
    """

    seed: int
    partitions: int
    standing: dict[str, Document] = field(default_factory=dict)  # the newest record of each document
    older: list[Document] = field(default_factory=list)  # records that a newer one has outdated
    asked: list[Request] = field(default_factory=list)
    wanted: list[str] = field(default_factory=list)  # keys of documents that were asked for
    sent: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._reviews = History(self.seed, self.partitions)
        self._refused = UNREADABLE_FROM

    def make(self, count: int) -> list[Sent]:
        """Make records of all three kinds in one order."""
        reviews = iter(self._reviews.make(int(count * REVIEW_SHARE) + 1))
        while len(self.sent) < count:
            drawn = self._chance.random()
            if drawn < REVIEW_SHARE and (review := next(reviews, None)) is not None:
                self.sent.append(review)
            elif drawn < REVIEW_SHARE + REQUEST_SHARE and self.standing:
                self._draw(REQUEST_SHARES)
            else:
                self._draw(SHARES)
        return self.sent

    def _draw(self, shares: dict[str, int]) -> None:
        getattr(self, f"_{self._chance.choices(list(shares), list(shares.values()))[0]}")()

    def _new(self) -> None:
        number = len(self.standing)
        name = f"guide-{number}.{'html' if number % 5 == 0 else 'md'}"
        if number % 7 == 0 and number:  # two tenants may have documents of one name
            name = self._chance.choice(list(self.standing.values())).document_id
        tenant = self._chance.choice(TENANTS)
        if document_key(tenant, name) not in self.standing:
            self._take(self._written(Document(document_id=name, tenant=tenant, title=f"Guide {number}", text="")))

    def _edit(self) -> None:
        if document := self._some("upsert"):
            self._take(self._written(self._next(document)))

    def _retitle(self) -> None:
        if document := self._some("upsert"):
            self._take(self._next(document, title=f"Guide {self._chance.randrange(1_000)}"))

    def _rename(self) -> None:
        """Take a document away and send what it said under another name."""
        if document := self._some("upsert"):
            name = f"moved-{len(self.standing)}.{document.document_id.rpartition('.')[2]}"
            self._take(deletion(document, document.revision))
            self._take(msgspec.structs.replace(document, document_id=name))

    def _hide(self) -> None:
        if document := self._some("upsert"):
            self._take(self._next(document, principals=self._chance.choice(PRINCIPALS)))

    def _withhold(self) -> None:
        """Hide a document from those who asked for it."""
        asked = [one for one in map(self.standing.get, self.wanted) if one is not None and one.op == "upsert"]
        if asked:
            self._take(self._next(self._chance.choice(asked), principals=["archive"]))

    def _label(self) -> None:
        if document := self._some("upsert"):
            metadata = {"site": self._chance.choice(["north", "south"]), "tags": self._chance.sample("abc", 2)}
            self._take(self._next(document, metadata=metadata))

    def _delete(self) -> None:
        if document := self._some("upsert"):
            self._take(deletion(document, document.revision + self._chance.choice([0, 0, 1])))

    def _back(self) -> None:
        if document := self._some("delete"):
            anew = self._next(document, op="upsert", text="", title="Back", principals=self._chance.choice(PRINCIPALS))
            self._take(self._written(anew))

    def _again(self) -> None:
        if document := self._some("upsert"):
            self._send(document)

    def _older(self) -> None:
        if self.older:
            self._send(self._chance.choice(self.older))

    def _early(self) -> None:
        """Delete a document before it arrives."""
        document = self._written(Document(document_id=f"early-{len(self.standing)}.md", text="", revision=3))
        self._take(deletion(document, 3))
        self.older.append(document)

    def _broken(self) -> None:
        value = self._chance.choice([one for one in BROKEN if one is None or b"1960" not in one])
        self._append("documents", "guide-1.md", value)

    def _unreadable(self) -> None:
        self._refused += 1
        document = self._chance.choice(list(self.standing.values()) or [Document(document_id="scan.pdf", text="")])
        broken = (
            {"text": "%PDF-1.7 ..."},
            {"text": "Scanned.", "metadata": {"content_type": "application/pdf"}},
            {"text": "Too many.", "principals": [f"p{number}" for number in range(4_097)]},
        )
        changed = {"op": "upsert", "revision": self._refused, **self._chance.choice(broken)}
        self._send(msgspec.structs.replace(document, **changed))

    def _written(self, document: Document) -> Document:
        """Give a document its text: common paragraphs, and one that only this revision has."""
        own = f"The {topic(document)} lever turns {mark(document)} whenever somebody pulls it down to the floor."
        paragraphs = [*self._chance.sample(COMMON, self._chance.randrange(4)), own]
        self._chance.shuffle(paragraphs)
        if document.document_id.endswith(".html"):
            return msgspec.structs.replace(document, text=PAGES.format(title="Page", body="</p><p>".join(paragraphs)))
        parts = [f"## Part {place}\n\n{paragraph}" for place, paragraph in enumerate(paragraphs)]
        return msgspec.structs.replace(document, text="\n\n".join(parts))

    def _next(self, document: Document, **changes: object) -> Document:
        return msgspec.structs.replace(document, revision=document.revision + 1, **changes)

    def _some(self, op: str) -> Document | None:
        found = [document for document in self.standing.values() if document.op == op]
        return self._chance.choice(found) if found else None

    def _take(self, document: Document) -> None:
        key = key_of(document)
        before = self.standing.get(key)
        if before is not None and before.op == "upsert":
            self.older.append(before)
        self.standing[key] = document
        self._send(document)

    def _send(self, document: Document) -> None:
        self._append("documents", document.document_id, msgspec.json.encode(document))

    def _ask(self) -> None:
        document = self._chance.choice(list(self.standing.values()))
        self.wanted.append(key_of(document))
        if self._chance.random() < 0.7:  # by somebody who may see it
            asker = ([*document.principals], document.tenant)
        else:
            asker = self._chance.choice(ASKERS)
        self._put(f"What does the {topic(document)} lever do?", *asker)

    def _ask_of_product(self) -> None:
        product_id = self._chance.choice(sorted({product_id for product_id, _ in self._reviews.standing}))
        self._put("How does the strap feel?", *self._chance.choice(ASKERS), product_id=product_id)

    def _put(self, question: str, principals: Sequence[str], tenant: str | None, **entities: str) -> None:
        request = Request(
            request_id=f"q{len(self.asked)}",
            question=question,
            principals=list(principals),
            tenant=tenant,
            entities=entities,
            deadline_ms=self._chance.choice(DEADLINES_MS),
        )
        self.asked.append(request)
        self._request(request)

    def _ask_again(self) -> None:
        if self.asked:
            self._request(self._chance.choice(self.asked))

    def _ask_otherwise(self) -> None:
        """Ask something else under an id that is taken."""
        if self.asked:
            self._request(msgspec.structs.replace(self._chance.choice(self.asked), question="Anything else?"))

    def _ask_badly(self) -> None:
        self._append("requests", "q0", b'{"request_id": "q0"}', astray=False)

    def _request(self, request: Request) -> None:
        self._append("requests", request.request_id, msgspec.json.encode(request), astray=False)

    def _append(self, name: str, key: str, value: bytes | None, *, astray: bool = True) -> None:
        home = zlib.crc32(key.encode()) % self.partitions
        elsewhere = astray and self._chance.random() < ELSEWHERE
        self.sent.append(Sent(key.encode(), value, (home + elsewhere) % self.partitions, name))


def key_of(document: Document) -> str:
    return document_key(document.tenant, document.document_id)


def topic(document: Document) -> str:
    """A word of a document's own that none of its revisions loses."""
    return f"tp{zlib.crc32(key_of(document).encode()):08x}"


def mark(document: Document) -> str:
    """A word that only this revision of this document says."""
    return f"zd{zlib.crc32(key_of(document).encode()):08x}r{document.revision}"


def deletion(document: Document, revision: int) -> Document:
    return Document(document_id=document.document_id, tenant=document.tenant, op="delete", revision=revision)


def rank(document: Document) -> tuple[int, bool]:
    return document.revision, document.op == "delete"
