"""Ask the same questions of the standing index, and of private ones cut and weighted in several ways."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import sqlalchemy as sa

from infra.settings import Settings
from infra.stores import AgentStore
from infra.vectors.vector_store import Floats
from models.minilm.files import ModelUnusable
from models.minilm.minilm import MiniLM
from models.ports import Embedder, Embeddings
from models.sentence_table import SentenceTable
from processors.search.passages import WHOLE
from schemas.documents import Document
from schemas.hits import Passage
from schemas.index_tables import documents
from streams.assemblies.index import load_document_model
from streams.cli.errors import CommandError, Exit
from streams.cli.evaluation.evaluating import Configuration, Trial
from streams.cli.evaluation.judgments import Judged
from streams.cli.evaluation.private_index import PrivateIndex
from streams.cli.evaluation.synthesizing import may_see
from streams.cli.evaluation.view import Step
from streams.parts import Unusable
from streams.places import store_place
from streams.retrieval import Query, Retrieval
from streams.vector_place import open_vectors

INDEX = "index"
CHUNK_CHARACTERS = (500, 1_000, 2_000)
CANDIDATES = 200
"""Passages looked at: all that vectors and words bring."""

SETTINGS_NAME = "as set"
Start = Callable[[str, int | None], Step]


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each kind of evidence counts.

    Args:
        name: For people.
        vectors: Of vectors against words, 0 to 1.
        sentences: Of the best sentence against the whole chunk, 0 to 1.
    """

    name: str
    vectors: float
    sentences: float

    def score(self, parts: Mapping[str, float]) -> float:
        """Weigh the parts of a hit anew.

        Example:
            >>> Weights("both", 0.5, 0.0).score({"vector": 1.0, "words": 0.5, "sentence": 0.1})
            0.75
        """
        whole = self.vectors * parts.get("vector", 0.0) + (1 - self.vectors) * parts.get("words", 0.0)
        return (1 - self.sentences) * whole + self.sentences * parts.get("sentence", 0.0)

    def configuration(self, chunk_characters: int) -> Configuration:
        """Describe a trial with these weights."""
        whole = 1 - self.sentences
        return Configuration(
            name=f"{chunk_characters} {self.name}",
            chunk_characters=chunk_characters,
            words=round(whole * (1 - self.vectors), 3),
            vectors=round(whole * self.vectors, 3),
            sentences=self.sentences,
        )


GRID = (
    Weights("words", 0.0, 0.0),
    Weights("vectors", 1.0, 0.0),
    Weights("words+vectors", 0.5, 0.0),
    Weights("words+vectors+sentences", 0.5, 1 - WHOLE),
)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks."""

    principals: tuple[str, ...]
    tenant: str | None

    def query(self, text: str, limit: int) -> Query:
        """Ask as this one."""
        return Query(text=text, principals=self.principals, tenant=self.tenant, limit=limit)


class Remembering:
    """An embedder that makes each vector once; several configurations ask the same questions.

    Args:
        embedder: Makes them.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.identity = embedder.identity
        self.dimensions = embedder.dimensions
        self._embedder = embedder
        self._known: dict[str, Floats] = {}

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return one row a text; see ``models.ports.Embedder``."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._embedder.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else np.empty((0, self.dimensions), np.float32)


def rank(passages: Sequence[Passage], score: Callable[[Mapping[str, float]], float] | None = None) -> list[str]:
    """Order documents by their best passage, each once.

    Args:
        passages: Best first.
        score: Weighs parts anew; none keeps the order.
    """
    if score is not None:
        passages = sorted(passages, key=lambda one: -score(one.hit.parts))
    return list(dict.fromkeys(one.hit.document_id for one in passages))


def try_standing(settings: Settings, judged: Sequence[Judged], asker: Asker, k: int, start: Start) -> Trial:
    """Ask the standing index.

    Raises:
        CommandError: If a part of the search does not answer: what it then finds says nothing of it.
        infra.store_errors.StoreError: If the index's store cannot be read.
        Unusable: If the model is not here.
    """
    with closing(open_vectors(settings)) as vectors:
        retrieval = Retrieval(
            AgentStore(store_place(settings, INDEX)).transaction,
            vectors,
            load_question_model(settings),
            SentenceTable.load(),
        )
        found = _ask(retrieval, judged, asker, start("questions", len(judged)))
    return Trial(Configuration(name="standing"), [rank(passages)[:k] for passages in found])


def try_private(
    settings: Settings,
    judged: Sequence[Judged],
    given: Sequence[Document] | None,
    asker: Asker,
    k: int,
    start: Start,
    *,
    grid: bool,
) -> list[Trial]:
    """Ask private indexes, one a chunk size; they are gone afterwards.

    Args:
        settings: Of today; the first trial is cut and weighted by them.
        judged: The questions.
        given: Documents to index; none takes those of the standing index that the asker may see.
        asker: Who asks.
        k: Documents of a ranking that count.
        start: Starts a bar.
        grid: Try all chunk sizes and weights; otherwise the settings of today alone.

    Raises:
        CommandError: If there is nothing to index.
        infra.store_errors.StoreError: If the standing index is needed and cannot be read.
        Unusable: If the model is not here.
    """
    found = list(_standing_documents(settings, asker)) if given is None else given
    if not found:
        raise CommandError("there are no documents to index", "Name some with --documents.", Exit.NOT_FOUND)
    logging.getLogger("database").setLevel(logging.WARNING)  # that tables were made is no news of these
    makes, asks = load_document_model(settings), Remembering(load_question_model(settings))
    trials: list[Trial] = []
    known: dict[str, Floats] = {}
    today = settings.index.chunk_characters
    for longest in (today, *CHUNK_CHARACTERS) if grid else (today,):
        with (
            tempfile.TemporaryDirectory() as folder,
            closing(PrivateIndex(Path(folder), makes, longest, known)) as index,
        ):
            index.fill(found, start(f"documents in chunks of {longest}", len(found)))
            retrieval = Retrieval(index.reader().transaction, index.vectors, asks, SentenceTable.load())
            passages = _ask(retrieval, judged, asker, start(f"questions, chunks of {longest}", len(judged)))
        if not trials:
            as_set = Configuration(name=SETTINGS_NAME, chunk_characters=longest)
            trials.append(Trial(as_set, [rank(one)[:k] for one in passages]))
        else:
            trials += [_weighted(passages, weights, longest, k) for weights in GRID]
    return trials


def _weighted(passages: Sequence[Sequence[Passage]], weights: Weights, longest: int, k: int) -> Trial:
    return Trial(weights.configuration(longest), [rank(one, weights.score)[:k] for one in passages])


def _ask(retrieval: Retrieval, judged: Sequence[Judged], asker: Asker, step: Step) -> list[Sequence[Passage]]:
    answers: list[Sequence[Passage]] = []
    for one in judged:
        found = retrieval.search(asker.query(one.text, CANDIDATES))
        if found.degraded is not None:
            told = f"the search is not whole ({found.degraded}), and measuring a part of it would mislead"
            raise CommandError(told, "See `millrace status`.")
        answers.append(found.passages)
        step()
    return answers


def load_question_model(settings: Settings) -> MiniLM:
    """Load the model that embeds questions.

    Raises:
        Unusable: If it is not installed.
    """
    try:
        return MiniLM.load(settings.home / "models", "int8")
    except ModelUnusable as error:
        raise Unusable(error.message, error.remedy) from error


def _standing_documents(settings: Settings, asker: Asker) -> Iterator[Document]:
    query = sa.select(documents).where(documents.c.op == "upsert", *may_see(asker.principals, asker.tenant))
    with AgentStore(store_place(settings, INDEX)).transaction() as connection:
        for row in connection.execute(query.order_by(documents.c.document_key)):
            yield Document(
                document_id=row.document_id,
                text=row.text,
                title=row.title,
                uri=row.uri,
                principals=msgspec.json.decode(row.principals),
                tenant=row.tenant,
                metadata=msgspec.json.decode(row.metadata),
                revision=row.revision,
            )
