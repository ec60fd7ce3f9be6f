"""A product's state as bytes: parts of bounded size, and one trace a review for what grows.

Traces are followed from the product's base on: what lies before it is kept as sets in the part
``base``, written whenever a review is forgotten, because then its trace goes too.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from processors.digest.clusters import HALF_LIFE, Cluster, Clusters
from processors.digest.membership import Membership


class Trace(msgspec.Struct, array_like=True, frozen=True):
    """What folding one review did; kept with the review."""

    band: int  # place in BAND_NAMES
    time_s: float  # of the review, unix
    hits: list[int]  # cluster ids
    merges: list[tuple[int, int]] = []  # (absorbing cluster id, absorbed cluster id), in order, after the hits


class _BandPart(msgspec.Struct, array_like=True):
    review_count: int
    next_id: int
    dimensions: int
    sums: bytes  # (K, D) int16
    clusters: list[Cluster]
    newest: list[int] = []  # none in parts written before reviews could be forgotten


class _BasePart(msgspec.Struct, array_like=True):
    members: list[list[tuple[int, bytes]]]  # a band: (cluster id, the ordinals of its reviews as bits)
    times_s: bytes  # float64: of the reviews in the 30 days before the newest


@dataclass(frozen=True, slots=True)
class Past:
    """What the base and the traces after it tell beyond the parts."""

    times_s: list[float]
    members: tuple[Mapping[int, Membership], ...]  # a band: reviews by living cluster id
    newest: tuple[Sequence[int], ...]  # a band: ordinals of its newest reviews


_ENCODER = msgspec.msgpack.Encoder()
_TRACE_DECODER = msgspec.msgpack.Decoder(Trace)
_BAND_DECODER = msgspec.msgpack.Decoder(_BandPart)
_BASE_DECODER = msgspec.msgpack.Decoder(_BasePart)


def dump_trace(trace: Trace) -> bytes:
    """Encode one trace."""
    return _ENCODER.encode(trace)


def dump_band(band: Clusters) -> bytes:
    """Encode one band without its memberships.

    Example:
        >>> load_band(dump_band(Clusters()), {}).review_count
        0
    """
    known = len(band.clusters)
    sums = band.sums[:known].astype(np.int16)
    return _ENCODER.encode(
        _BandPart(band.review_count, band.next_id, band.sums.shape[1], sums.tobytes(), band.clusters, band.newest)
    )


def dump_base(bands: Sequence[Clusters], times_s: bytes) -> bytes:
    """Encode all memberships as they stand.

    Args:
        bands: Of the product.
        times_s: Of the recent reviews, float64.
    """
    members = [
        [(cluster.cluster_id, said.dump()) for cluster, said in zip(band.clusters, band.members, strict=True)]
        for band in bands
    ]
    return _ENCODER.encode(_BasePart(members, times_s))


def load_band(part: bytes, members: Mapping[int, Membership], newest: Sequence[int] = ()) -> Clusters:
    """Decode one band.

    Args:
        part: What ``dump_band`` returned.
        members: Reviews by cluster id, see ``read_past``.
        newest: Ordinals of its newest reviews, for parts that do not tell them.

    Raises:
        msgspec.ValidationError: If the bytes are no band.
    """
    stored = _BAND_DECODER.decode(part)
    band = Clusters()
    band.review_count, band.next_id, band.clusters = stored.review_count, stored.next_id, stored.clusters
    band.newest = stored.newest or list(newest)
    known = len(stored.clusters)
    band.sums = np.frombuffer(stored.sums, np.int16).astype(np.float32).reshape(known, stored.dimensions)
    band.means, band.sides = np.zeros_like(band.sums), np.zeros(known, np.float32)
    band.members = [members.get(cluster.cluster_id, Membership()) for cluster in band.clusters]
    if known:
        band.settle(list(range(known)))
    return band


def read_past(base: bytes | None, traces: Iterable[tuple[int, bytes]], band_count: int) -> Past:
    """Follow every review's clusters through later merges.

    Args:
        base: What ``dump_base`` returned last, if it ever was written.
        traces: (ordinal, trace) of the reviews since, in order of arrival.
        band_count: Bands there are.

    Raises:
        msgspec.ValidationError: If one is no trace, or the base is none.
    """
    stored = _BASE_DECODER.decode(base) if base is not None else _BasePart([[] for _ in range(band_count)], b"")
    members = tuple({cluster: Membership.restore(bits) for cluster, bits in band} for band in stored.members)
    times_s = list(array("d", stored.times_s))
    hits: tuple[dict[int, list[int]], ...] = tuple({} for _ in range(band_count))
    newest: tuple[list[int], ...] = tuple([] for _ in range(band_count))
    for ordinal, encoded in traces:
        trace = _TRACE_DECODER.decode(encoded)
        times_s.append(trace.time_s)
        newest[trace.band].append(ordinal)
        for cluster_id in trace.hits:
            hits[trace.band].setdefault(cluster_id, []).append(ordinal)
        for absorbing, absorbed in trace.merges:
            hits[trace.band].setdefault(absorbing, []).extend(hits[trace.band].pop(absorbed, []))
            _absorb(members[trace.band], absorbing, members[trace.band].pop(absorbed, None))
    for band, found in zip(members, hits, strict=True):
        for cluster_id, ordinals in found.items():
            _absorb(band, cluster_id, Membership.of(ordinals))
    return Past(times_s, members, tuple(ordinals[-HALF_LIFE:] for ordinals in newest))


def _absorb(members: dict[int, Membership], cluster_id: int, more: Membership | None) -> None:
    if more is None:
        return
    if cluster_id in members:
        members[cluster_id].absorb(more)
    else:
        members[cluster_id] = more
