"""A product's state as bytes: parts of bounded size, and one trace a review for what grows."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec
import numpy as np

from tests.releases.v0_1.processors.digest.clusters import Cluster, Clusters
from tests.releases.v0_1.processors.digest.membership import Membership


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


@dataclass(frozen=True, slots=True)
class Past:
    """What traces tell beyond the parts."""

    times_s: list[float]
    hits: tuple[dict[int, list[int]], ...]  # a band: ordinals of reviews by living cluster id


_ENCODER = msgspec.msgpack.Encoder()
_TRACE_DECODER = msgspec.msgpack.Decoder(Trace)
_BAND_DECODER = msgspec.msgpack.Decoder(_BandPart)


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
        _BandPart(band.review_count, band.next_id, band.sums.shape[1], sums.tobytes(), band.clusters)
    )


def load_band(part: bytes, hits: dict[int, list[int]]) -> Clusters:
    """Decode one band.

    Args:
        part: What ``dump_band`` returned.
        hits: Ordinals of the band's reviews by cluster id, see ``read_traces``.

    Raises:
        msgspec.ValidationError: If the bytes are no band.
    """
    stored = _BAND_DECODER.decode(part)
    band = Clusters()
    band.review_count, band.next_id, band.clusters = stored.review_count, stored.next_id, stored.clusters
    known = len(stored.clusters)
    band.sums = np.frombuffer(stored.sums, np.int16).astype(np.float32).reshape(known, stored.dimensions)
    band.means, band.sides = np.zeros_like(band.sums), np.zeros(known, np.float32)
    band.members = [Membership.of(hits.get(cluster.cluster_id, ())) for cluster in band.clusters]
    if known:
        band.settle(list(range(known)))
    return band


def read_traces(traces: Iterable[bytes], band_count: int) -> Past:
    """Follow every review's clusters through later merges.

    Args:
        traces: In order of arrival.
        band_count: Bands there are.

    Raises:
        msgspec.ValidationError: If one is no trace.
    """
    times_s: list[float] = []
    hits: tuple[dict[int, list[int]], ...] = tuple({} for _ in range(band_count))
    counts = [0] * band_count
    for encoded in traces:
        trace = _TRACE_DECODER.decode(encoded)
        times_s.append(trace.time_s)
        ordinals = hits[trace.band]
        for cluster_id in trace.hits:
            ordinals.setdefault(cluster_id, []).append(counts[trace.band])
        for absorbing, absorbed in trace.merges:
            ordinals[absorbing] += ordinals.pop(absorbed)
        counts[trace.band] += 1
    return Past(times_s, hits)
