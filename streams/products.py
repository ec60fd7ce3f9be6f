"""Products as the digest has them in memory, each with what SQL says of it."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from infra.database import Store
from infra.rows import product_rows
from infra.rows.product_rows import ProductChange
from processors.digest.product import BASE, Product
from schemas.points import Forgotten
from schemas.records import Sources


@dataclass(slots=True)
class Standing:
    """One product in memory, and what SQL says of it."""

    product: Product
    version: int = 0  # 0 = not in SQL yet
    revision: int = 0
    sources: Sources = field(default_factory=dict)
    next_ordinal: int = 0
    base_ordinal: int = 0
    forgotten: Forgotten = field(default_factory=Forgotten)

    def empty(self) -> None:
        """Start over after the last review is gone; numbers go on."""
        self.product = Product(self.product.product_id)
        self.base_ordinal = self.next_ordinal

    def change(self, *, emptied: bool = False) -> ProductChange:
        """Make what is to be written of it, and count on its being written."""
        return self._write(self.product.dump_changed(), emptied=emptied)

    def rebuilt(self) -> ProductChange:
        """Make what is to be written of a product that was folded anew."""
        return self._write(self.product.dump(), emptied=True)

    def _write(self, parts: dict[str, bytes], *, emptied: bool) -> ProductChange:
        if BASE in parts:
            self.base_ordinal = self.next_ordinal
        self.version += 1
        return ProductChange(
            product_id=self.product.product_id,
            expected_version=self.version - 1,
            revision=self.revision,
            review_count=self.product.review_count,
            sources=msgspec.json.encode(self.sources),
            next_ordinal=self.next_ordinal,
            base_ordinal=self.base_ordinal,
            forgotten=msgspec.json.encode(self.forgotten),
            parts=parts,
            emptied=emptied,
        )


class Products:
    """The products used last; those of the decision in hand are always among them.

    Args:
        store: The agent's store.
        kept: Products kept in memory.
    """

    def __init__(self, store: Store, kept: int) -> None:
        self._store = store
        self._kept = kept
        self._cache: OrderedDict[str, Standing] = OrderedDict()
        self._touched: set[str] = set()

    def begin(self) -> None:
        """Begin a decision: what was used before may go."""
        self._touched = set()

    def load(self, product_ids: Sequence[str]) -> dict[str, Standing]:
        """Return products, those that nobody knows as empty ones."""
        self._touched |= set(product_ids)
        missing = [product_id for product_id in product_ids if product_id not in self._cache]
        with self._store.read() as connection:
            rows = product_rows.load_products(connection, missing) if missing else []
        for row in rows:
            self._cache[row.product_id] = Standing(
                product=Product.load(row.product_id, row.parts, row.traces),
                version=row.version,
                revision=row.revision,
                sources=msgspec.json.decode(row.sources, type=Sources),
                next_ordinal=row.next_ordinal,
                base_ordinal=row.base_ordinal,
                forgotten=msgspec.json.decode(row.forgotten, type=Forgotten),
            )
        for product_id in product_ids:
            self._cache.setdefault(product_id, Standing(Product(product_id)))
            self._cache.move_to_end(product_id)
        return {product_id: self._cache[product_id] for product_id in product_ids}

    def put(self, standing: Standing) -> None:
        """Take what was written of a product elsewhere in this process."""
        self._cache[standing.product.product_id] = standing

    def forget(self) -> None:
        """Drop the products of the decision in hand: SQL has not, or not only, what memory has."""
        for product_id in self._touched:
            self._cache.pop(product_id, None)

    def trim(self) -> None:
        """Let the products go that were not used for longest."""
        while len(self._cache) > max(self._kept, len(self._touched)):
            self._cache.popitem(last=False)
