"""Keys of feature tables as featurize has them in memory, each with what SQL says of it."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from infra.database import Store
from infra.rows import feature_rows
from infra.rows.feature_rows import FeatureRow, RowChange
from processors.features.shape import TableShape
from processors.features.tiles import KeyState, Span, expires_us, new_state, prune
from schemas.records import Sources

Place = tuple[str, str]
"""(version of the definition, key)."""

CACHED_BYTES = 32 << 20
"""Of encoded states in memory at most; decoded they take about ten times as much."""

CHANGES_A_MS = 4_096
"""A key without row begins with the clock in milliseconds times this: above all it ever had, and below 2**53."""


@dataclass(slots=True)
class Standing:
    """One key in memory, and what SQL says of it."""

    state: KeyState
    expected: int | None = None  # revision of its row; none without row
    sent_us: int = 0
    sources: Sources = field(default_factory=dict)
    size: int = 0  # of its encoded state, bytes
    lost: list[Span] = field(default_factory=list)  # to be put together again

    def change(self, shape: TableShape, place: Place, first: int, now: float) -> RowChange:
        """Make what is to be written of it, and count on its being written; ``first`` is the revision of a new row."""
        prune(shape, self.state)
        gone = self.state.empty
        encoded = b"" if gone else msgspec.msgpack.encode(self.state)
        row = FeatureRow(
            version=place[0],
            key=place[1],
            revision=first if self.expected is None else self.expected + 1,
            state=encoded,
            newest_us=self.state.newest_us,
            sent_us=self.sent_us,
            written_us=int(now * 1_000_000),
            expires_us=expires_us(shape, self.state),
            sources=msgspec.json.encode(self.sources),
        )
        change = RowChange(row, self.expected, gone)
        self.expected, self.size = (None if gone else row.revision), len(encoded)
        return change


class Keys:
    """The keys used last; those of the decision in hand are always among them.

    Args:
        store: The agent's store.
        kept: Keys kept in memory.
        kept_bytes: Of their encoded states.
    """

    def __init__(self, store: Store, kept: int, kept_bytes: int = CACHED_BYTES) -> None:
        self._store = store
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._cache: OrderedDict[Place, Standing] = OrderedDict()
        self._touched: dict[Place, None] = {}
        self._newest = 0  # revision of any key

    def begin(self) -> None:
        """Begin a decision: what was used before may go."""
        self._touched = {}

    def load(self, places: Mapping[str, tuple[TableShape, Sequence[str]]]) -> dict[Place, Standing]:
        """Return keys, those that nobody knows as empty ones.

        Args:
            places: Keys by version, each with its table's shape.
        """
        wanted: dict[Place, Standing] = {}
        with self._store.read() as connection:
            for version, (shape, keys) in places.items():
                missing = [key for key in keys if (version, key) not in self._cache]
                rows = feature_rows.load_rows(connection, version, missing) if missing else {}
                for key in keys:
                    if (version, key) not in self._cache:
                        self._cache[version, key] = _standing(shape, rows.get(key))
                    self._cache.move_to_end((version, key))
                    wanted[version, key] = self._cache[version, key]
        self._touched |= dict.fromkeys(wanted)
        return wanted

    def change(self, shape: TableShape, place: Place, now: float) -> RowChange:
        """Make what is to be written of a key of the decision in hand, and count on its being written.

        Args:
            shape: Of its table.
            place: Of the key.
            now: Unix seconds.
        """
        first = max(int(now * 1_000) * CHANGES_A_MS, self._newest + 1)
        change = self._cache[place].change(shape, place, first, now)
        self._newest = max(self._newest, change.row.revision)
        return change

    def forget(self) -> None:
        """Drop the keys of the decision in hand: SQL has not, or not only, what memory has."""
        for place in self._touched:
            self._cache.pop(place, None)

    def drop(self, version: str) -> None:
        """Drop all keys of a definition."""
        for place in [one for one in self._cache if one[0] == version]:
            del self._cache[place]

    def drop_key(self, version: str, key: str) -> None:
        """Drop one key."""
        self._cache.pop((version, key), None)

    def trim(self) -> None:
        """Let the keys go that were not used for longest."""
        size = sum(one.size for one in self._cache.values())
        while len(self._cache) > len(self._touched) and (len(self._cache) > self._kept or size > self._kept_bytes):
            _, gone = self._cache.popitem(last=False)
            size -= gone.size


def _standing(shape: TableShape, row: FeatureRow | None) -> Standing:
    if row is None:
        return Standing(new_state(shape))
    return Standing(
        state=msgspec.msgpack.decode(row.state, type=KeyState),
        expected=row.revision,
        sent_us=row.sent_us,
        sources=msgspec.json.decode(row.sources, type=Sources),
        size=len(row.state),
    )
