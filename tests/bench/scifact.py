"""SciFact as BEIR arranges it: abstracts, claims, and which abstract speaks of which claim."""

import gzip
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bm25s
import numpy as np
import Stemmer

from models.ports import Embedder
from processors.evaluation.metrics import judge, mean
from schemas.documents import Document
from streams.cli.evaluation.judgments import Judged, read_judged

FOLDER = "scifact_beir"
K = 10
Rankings = Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents and judged questions about them."""

    documents: Sequence[Document]
    judged: Sequence[Judged]

    def ndcg(self, rankings: Rankings) -> float:
        """Return the mean nDCG@10 of one ranking a question."""
        qualities = [judge(found, one.grades, K) for one, found in zip(self.judged, rankings, strict=True)]
        return round(mean(qualities).ndcg, 4)


def read_scifact(data: Path, limit: int | None = None) -> Collection:
    """Read the training claims and all abstracts; with a limit so many claims, and as many abstracts beside theirs.

    Raises:
        OSError: If the files cannot be read.
    """
    folder = data / FOLDER
    judged = read_judged(str(folder / "claims_train.jsonl"), str(folder / "qrels_train.tsv"), limit)
    with gzip.open(folder / "corpus.jsonl.gz", "rt", encoding="utf-8") as lines:
        documents = [_document(json.loads(line)) for line in lines]
    if limit is not None:
        relevant = {name for one in judged for name in one.grades}
        theirs = [one for one in documents if one.document_id in relevant]
        documents = theirs + [one for one in documents if one.document_id not in relevant][:limit]
    return Collection(documents, judged)


def rank_by_bm25(collection: Collection) -> Rankings:
    """Rank by the library bm25s, with its English stemmer and stop words, as its authors advise."""
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    stemmer = Stemmer.Stemmer("english")
    tokens = bm25s.tokenize(
        [_whole(one) for one in collection.documents], stopwords="en", stemmer=stemmer, show_progress=False
    )
    index = bm25s.BM25()
    index.index(tokens, show_progress=False)
    asked = bm25s.tokenize(
        [one.text for one in collection.judged], stopwords="en", stemmer=stemmer, show_progress=False
    )
    found, _ = index.retrieve(asked, k=K, show_progress=False)
    return [[collection.documents[place].document_id for place in row] for row in found]


def rank_by_minilm(collection: Collection, embedder: Embedder, step: Callable[[str], None]) -> Rankings:
    """Rank by the vectors of whole abstracts, compared one by one: what MiniLM does by itself."""
    texts = [_whole(one) for one in collection.documents]
    rows = []
    for start in range(0, len(texts), 512):
        rows.append(embedder.embed(texts[start : start + 512]))
        step(f"MiniLM alone: {min(start + 512, len(texts)):,} of {len(texts):,} documents")
    similarities = embedder.embed([one.text for one in collection.judged]) @ np.concatenate(rows).T
    best = np.argsort(-similarities, axis=1, kind="stable")[:, :K]
    return [[collection.documents[place].document_id for place in row] for row in best]


def _whole(document: Document) -> str:
    return f"{document.title}\n{document.text}"


def _document(row: dict[str, str]) -> Document:
    return Document(document_id=row["_id"], title=row["title"], text=" ".join(row["sentences"]))
