"""Products being folded anew beside what stands, kept right while deletions and edits arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from infra.database import Store
from infra.rows import review_rows
from models.ports import Vectors
from processors.digest.product import Folded, Product
from processors.language.claims import Claim
from schemas.reviews import Review


@dataclass(frozen=True, slots=True)
class Refold:
    """The new version of an edited review, ready to be folded."""

    review: Review
    at: datetime
    claims: Sequence[Claim]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Forget:
    """One review that was taken out of its product, and what took its place."""

    folded: Folded
    claims: Sequence[Claim]
    instead: Refold | None


@dataclass(slots=True)
class Shadow:
    """A product that has folded its reviews up to a position."""

    product: Product
    position: int  # ordinal of the next review to fold
    forgotten: int  # reviews the standing product had forgotten, as far as the shadow knows


class Shadows:
    """The shadow that grows in this process: one at a time, for they are as large as their products.

    Args:
        store: The agent's store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shadows: dict[str, Shadow] = {}

    def open(self, product_id: str, forgotten: int) -> Shadow:
        """Begin a new one; one left over, because its lease was lost, is dropped."""
        self._shadows = {product_id: Shadow(Product(product_id), 0, forgotten)}
        return self._shadows[product_id]

    def close(self, product_id: str) -> None:
        """Forget one that is done or void."""
        self._shadows.pop(product_id, None)

    def follow(self, forgets: Sequence[Forget]) -> None:
        """Subtract committed deletions and edits from the shadows that have folded those reviews already."""
        for forget in forgets:
            shadow = self._shadows.get(forget.folded.review.product_id)
            if shadow is None:
                continue
            shadow.forgotten += 1
            if forget.folded.ordinal < shadow.position:  # otherwise it will be read as it stands by then
                self._subtract(shadow, forget)

    def _subtract(self, shadow: Shadow, forget: Forget) -> None:
        product_id, ordinal = shadow.product.product_id, forget.folded.ordinal

        def rest() -> list[float]:
            with self._store.read() as connection:
                known = review_rows.times(connection, product_id, shadow.position)
            known.pop(forget.folded.review.review_id, None)
            return list(known.values())

        shadow.product.forget(forget.folded, forget.claims, rest)
        if forget.instead is not None:
            instead = forget.instead
            shadow.product.fold(instead.review, ordinal, instead.at, instead.claims, instead.vectors)
