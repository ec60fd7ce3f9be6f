"""``millrace bench retrieval``: nDCG on SciFact through the product's own path, with its parts left out one by one."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from models.minilm.minilm import MiniLM
from schemas.hits import Passage
from streams.cli.errors import CommandError, Exit
from streams.cli.evaluation.trials import CANDIDATES, GRID, rank
from tests.bench.load import send
from tests.bench.scifact import Collection, Rankings, rank_by_bm25, rank_by_minilm, read_scifact
from tests.bench.searching import open_search
from tests.bench.stack import CHECKOUT, Stack

RRF_RANKS = 60
"""k of reciprocal rank fusion (Cormack et al., SIGIR 2009)."""

INDEXED_S = 3_600
PEER_ROUNDS = 5
Figures = dict[str, float | None]
Tell = Callable[[str], None]


def run(data: Path | None, tell: Tell, limit: int | None = None, peer: str | None = None) -> tuple[str, Figures]:
    """Measure everything; returns what it was measured on, and the figures.

    Args:
        data: Folder with the public sets.
        tell: Says what is measured now.
        limit: Claims asked at most; as many abstracts are then beside theirs.
        peer: A Python with sentence-transformers and the weights; without it nothing is compared with it.

    Raises:
        CommandError: Without data.
    """
    if data is None:
        raise CommandError(
            "bench retrieval needs claims that people have judged", "Name their folder: --data DIR.", Exit.USAGE
        )
    collection = read_scifact(data, limit)
    tell("bm25s alone")
    figures: Figures = {"bm25_ndcg_at_10": collection.ndcg(rank_by_bm25(collection))}
    with Stack(vectors=True) as stack:
        tell(f"{len(collection.documents):,} abstracts through Kafka into the index")
        figures |= index(stack, collection)
        tell(f"{len(collection.judged):,} claims")
        figures |= search(stack, collection)
        model = MiniLM.load(stack.settings.home / "models", "fp32")
        figures["minilm_ndcg_at_10"] = collection.ndcg(rank_by_minilm(collection, model, tell))
    tell(
        "texts a second beside sentence-transformers"
        if peer
        else "no --peer: nothing to compare the model's speed with"
    )
    figures["embed_ratio_to_sentence_transformers"] = None if peer is None else embed_ratio(peer)
    told = f"SciFact train: {len(collection.judged):,} claims, {len(collection.documents):,} abstracts"
    return f"{told}; bm25s {version('bm25s')}", figures


def index(stack: Stack, collection: Collection) -> Figures:
    """Send the documents and wait until all of them can be found."""
    stack.start_workers(("index",))
    started = time.monotonic()
    asyncio.run(send(stack, collection.documents, topic="documents"))
    stack.wait("index", INDEXED_S)
    seconds = time.monotonic() - started
    stack.stop_workers()
    return {"indexed_documents_per_s": round(len(collection.documents) / seconds, 1)}


def search(stack: Stack, collection: Collection) -> Figures:
    """Ask every claim once; what each part alone would have ranked is computed from the parts of the hits' scores."""
    answers: list[Sequence[Passage]] = []
    with open_search(stack) as searching:
        answers = [searching.find(one.text, limit=CANDIDATES).passages for one in collection.judged]
    ranked: Mapping[str, Rankings] = {
        "ndcg_at_10": [rank(passages) for passages in answers],
        **{f"ndcg_at_10_{_key(one.name)}": [rank(each, one.score) for each in answers] for one in GRID},
        "ndcg_at_10_rrf": [_rrf(passages) for passages in answers],
    }
    return {name: collection.ndcg(rankings) for name, rankings in ranked.items()}


def embed_ratio(peer: str) -> float:
    """Texts a second of CPU at 128 tokens, ours in fp32 over sentence-transformers', by ``tests.bench.minilm``."""
    command = [sys.executable, "-m", "tests.bench.minilm", "--peer", peer, "--rounds", str(PEER_ROUNDS)]
    told = subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True, text=True)
    ratio: float = json.loads(told.stdout)["figures"]["documents of 128 tokens"]["fp32"]["ratio_cpu"]
    return ratio


def _rrf(passages: Sequence[Passage]) -> list[str]:
    """Join the rankings of words and of vectors by ``sum of 1 / (60 + rank)``."""
    scores: dict[int, float] = {}
    for part in ("vector", "words"):
        found = [one for one in passages if one.hit.parts.get(part, 0.0) > 0]
        for place, one in enumerate(sorted(found, key=lambda one: -one.hit.parts[part]), 1):
            scores[one.row_id] = scores.get(one.row_id, 0.0) + 1 / (RRF_RANKS + place)
    return rank(sorted(passages, key=lambda one: -scores.get(one.row_id, 0.0)))


def _key(name: str) -> str:
    return name.replace("+", "_")
