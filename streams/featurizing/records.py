"""Records of the features topic."""

from collections.abc import Mapping

import msgspec

from infra.outbox import Output
from infra.rows.feature_rows import RowChange
from processors.features.reading import read_features
from processors.features.records import moment
from processors.features.shape import TableShape
from processors.features.tiles import KeyState
from schemas.features import Features
from schemas.records import Sources
from streams.events import event_headers


def features_output(
    topic: str,
    shape: TableShape,
    change: RowChange,
    state: KeyState,
    now: float,
    trace: Mapping[str, bytes] | None = None,
) -> Output:
    """Make the record of what stands of a key; of one of which nothing is left, that it is gone.

    Args:
        topic: Physical name.
        shape: Of the table.
        change: What is written of the key.
        state: Of the key.
        now: Unix seconds.
        trace: Context of the event that changed it.
    """
    row = change.row
    record = Features(
        table=shape.name,
        key=row.key,
        revision=row.revision,
        op="delete" if change.gone else "upsert",
        values={} if change.gone else read_features(shape, state, row.newest_us),
        as_of=moment(row.newest_us).isoformat(timespec="microseconds"),
        version=row.version,
        sources=msgspec.json.decode(row.sources, type=Sources),
    )
    name = f"{shape.name}:{row.key}"
    headers = event_headers(f"features:{name}@{row.revision}", "features", "featurize", moment(int(now * 1e6)), trace)
    return Output(topic, name.encode(), msgspec.json.encode(record), headers)
