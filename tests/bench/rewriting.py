"""How often a model is asked when summaries are rewritten on material change only, and what that takes.

Every review is folded and its product read by itself, in order, as in a stream so slow that products fall quiet
between reviews: the product's own decisions (digest, points, material change, prompt, guard), with a model that
answers at once. Debouncing saves nothing there: a faster stream asks less often. The two other ways are given the
same prompt about the same points, though who has no points must send reviews.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from models.ports import Completed, Completion, Decoding, WriteFailure, WriteRequest
from models.prompted_writer import PromptedWriter
from models.prompting.prompts import load_prompt
from models.sentence_table import WORD_PIECES, SentenceTable, WordTokens, build_tokenizer
from processors.digest.product import Product
from processors.texts.material import material_change
from processors.texts.told import Told, tell
from schemas.points import Reading
from schemas.reviews import Review
from tests import parrot
from tests.quality.reading import fold

BATCH = 100
"""Reviews after which the second other way summarises every product that has new ones."""

MATURE = 200
"""Reviews of a product when another comes: with fewer it is young."""


@dataclass(slots=True)
class Tally:
    """What one way of writing takes."""

    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def add(self, tokens_in: int, tokens_out: int) -> None:
        self.calls += 1
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out


@dataclass(slots=True)
class Counted:
    """What a set of reviews takes, in three ways.

    Args:
        reviews: In all.
        mature_reviews: Those of products that had ``MATURE`` before them.
        material: With material-change rewriting; ``mature`` are those of its calls that mature reviews brought.
        rejected: Calls of it whose text the guard refused twice.
        each_review: With one call a review.
        each_batch: With one call a product and batch of ``BATCH`` reviews that touches it.
    """

    reviews: int = 0
    mature_reviews: int = 0
    material: Tally = field(default_factory=Tally)
    mature: Tally = field(default_factory=Tally)
    rejected: int = 0
    each_review: Tally = field(default_factory=Tally)
    each_batch: Tally = field(default_factory=Tally)


class Parrot:
    """A language model that repeats its points; see ``tests.parrot``."""

    engine, model, endpoint = "openai", "scripted", ""

    def __init__(self) -> None:
        self._words = WordTokens(build_tokenizer(WORD_PIECES.read_text(encoding="utf-8").splitlines()))
        self.count = lru_cache(100_000)(lambda text: len(self._words.of(text)))

    async def complete(self, completion: Completion) -> Completed:
        text = parrot.repeat(parrot.told_points([{"content": one.content} for one in completion.messages]))
        return Completed(text, sum(self.count(one.content) for one in completion.messages), self.count(text))


class Prompted:
    """The shipped prompt, filled in with points: how many tokens that is, without filling it in."""

    def __init__(self, engine: Parrot) -> None:
        self._count = engine.count
        self._prompt = load_prompt("summary")
        self.writer = PromptedWriter(engine, self._prompt, Decoding(max_tokens=700))
        self._empty = sum(engine.count(one.content) for one in self.messages([]))

    def messages(self, material: Sequence[Told]):
        """Fill the prompt in."""
        return self._prompt.render({"material": msgspec.to_builtins(material), "language": ""})

    def tokens(self, material: Sequence[Told]) -> tuple[int, int]:
        """Return tokens read and said in one try."""
        told = msgspec.to_builtins(material)
        lines = sum(self._count(json.dumps(one, ensure_ascii=False)) for one in told)
        return self._empty + lines, self._count(parrot.repeat(told))


def count(reviews: Sequence[Review], table: SentenceTable) -> Counted:
    """Count what some reviews take, in their order."""
    counting = Counting(table)
    for number, review in enumerate(reviews, start=1):
        counting.take(review)
        if number % BATCH == 0:
            counting.end_batch()
    counting.end_batch()
    return counting.counted


class Counting:
    """Counts review by review."""

    def __init__(self, table: SentenceTable) -> None:
        self.counted = Counted()
        self._table = table
        self._prompted = Prompted(Parrot())
        self._products: dict[str, Product] = {}
        self._written: dict[str, Reading] = {}
        self._touched: dict[str, tuple[int, int]] = {}

    def take(self, review: Review) -> None:
        """Fold one review, read its product, and have it written about where the product would."""
        product = self._products.setdefault(review.product_id, Product(review.product_id))
        mature = product.review_count >= MATURE
        fold(product, review, self._table)
        reading = product.read(self._table.encode)
        product.mark_read()
        self.counted.reviews += 1
        self.counted.mature_reviews += mature
        material = tell(reading)
        tokens = self._prompted.tokens(material)
        self.counted.each_review.add(*tokens)
        self._touched[review.product_id] = tokens
        if material_change(self._written.get(review.product_id), reading) is not None:
            self._written[review.product_id] = reading
            if material:  # about nothing, nobody is asked
                self._write(WriteRequest(review.product_id, reading), mature)

    def end_batch(self) -> None:
        """Count a call for every product with new reviews."""
        for tokens in self._touched.values():
            self.counted.each_batch.add(*tokens)
        self._touched.clear()

    def _write(self, request: WriteRequest, mature: bool) -> None:
        (result,) = asyncio.run(self._prompted.writer.write([request]))
        self.counted.rejected += isinstance(result, WriteFailure)
        self.counted.material.add(result.tokens_in, result.tokens_out)
        if mature:
            self.counted.mature.add(result.tokens_in, result.tokens_out)


def total(counted: Sequence[Counted]) -> Counted:
    """Add sets up: reviews and calls of material-change rewriting."""
    whole = Counted()
    for one in counted:
        whole.reviews += one.reviews
        whole.mature_reviews += one.mature_reviews
        whole.material.calls += one.material.calls
        whole.mature.calls += one.mature.calls
    return whole
