"""Reads of features, by the library and over HTTP, and the same rows served by Feast."""

import contextlib
import http.client
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from infra.places import StorePlace
from processors.features.serving.ports import Lookup
from streams.features.reading import FeatureReader
from tests.bench import feature_served
from tests.bench.clients import Call, Waited, ask, posting
from tests.bench.feature_shelf import fill

CHECKOUT = Path(__file__).parents[2]
MODULE = "tests.bench.feature_served"
MANY = 16
PACE = 10.0
"""Reads a second of each of sixteen clients: two cores are then not the bottleneck, and what is timed is a read."""
FEAST_KEYS = 20_000
ROUNDS = 2
STARTED_S = 180.0
Figures = dict[str, float | None]
Timed = Callable[[int, float | None], Waited]
"""Lets so many clients ask at a pace."""


def reads(home: Path, keys: int, seconds: float) -> Figures:
    """Time reads of a table of fifty features through the library, and fill its rows first."""
    bytes_ = fill(home, [feature_served.wide], keys)
    fill(home, [feature_served.places, feature_served.couriers], 100)
    with contextlib.closing(FeatureReader(StorePlace("featurize", home))) as reader:

        def make() -> Call:
            return lambda number: _known(reader, _key(number, keys))

        figures = _timed("read", lambda clients, per_s: ask(make, clients, seconds, per_s))
    windows = len(feature_served.WINDOWS)
    sizes: Figures = {
        "state_bytes_per_key": round(bytes_ / keys),
        "state_bytes_per_key_and_window": round(bytes_ / keys / windows),
    }
    return figures | sizes


def http_reads(home: Path, environ: Mapping[str, str], keys: int, seconds: float) -> Figures:
    """Time the same over HTTP, and an endpoint of three lookups and two functions."""
    with _gateway(environ) as port:
        row = posting(port, "/serving-endpoints/wide_row/invocations", lambda number: _record(_key(number, keys)))
        offer = posting(port, "/serving-endpoints/offer/invocations", lambda number: _offer(number, keys))
        figures = _timed("http_read", lambda clients, per_s: ask(row, clients, seconds, per_s))
        return figures | _timed("invocations", lambda clients, per_s: ask(offer, clients, seconds, per_s))


def beside_feast(peer: str, environ: Mapping[str, str], keys: int, seconds: float) -> tuple[Figures, str]:
    """Let the same clients ask our gateway and Feast for a row of fifty features, in turns.

    Args:
        peer: A Python with Feast.
        environ: Of our gateway.
        keys: Of ours; Feast gets as many, or 20,000.
        seconds: Of each turn.

    Returns:
        The figures, and what it was compared with.
    """
    theirs_keys = min(keys, FEAST_KEYS)
    with tempfile.TemporaryDirectory() as folder, _feast(peer, Path(folder), theirs_keys) as (port, version):
        theirs = posting(port, "/get-online-features", lambda number: _asked_of_feast(_key(number, theirs_keys)))
        with _gateway(environ) as ours_port:
            path = "/serving-endpoints/wide_row/invocations"
            ours = posting(ours_port, path, lambda number: _record(_key(number, theirs_keys)))
            turns = [(ask(ours, 1, seconds), ask(theirs, 1, seconds)) for _ in range(ROUNDS)]
            crowds = [(ask(ours, MANY, seconds), ask(theirs, MANY, seconds)) for _ in range(ROUNDS)]
    figures = {
        "feast_ratio": round(statistics.median(one.per_s / other.per_s for one, other in turns), 1),
        "feast_ratio_16": round(statistics.median(one.per_s / other.per_s for one, other in crowds), 1),
        "feast_p50_ms": round(statistics.median(other.ms(50) for _, other in turns), 2),
        "feast_p99_ms": round(statistics.median(other.ms(99) for _, other in turns), 2),
        "beside_feast_p50_ms": round(statistics.median(one.ms(50) for one, _ in turns), 2),
        "beside_feast_p99_ms": round(statistics.median(one.ms(99) for one, _ in turns), 2),
    }
    return {**figures}, f"{version}, {theirs_keys:,} keys, one client as fast as it goes"


def _timed(name: str, timed: Timed) -> Figures:
    alone, together, rushed = timed(1, None), timed(MANY, PACE), timed(MANY, None)
    return {
        f"{name}_p50_ms": alone.ms(50),
        f"{name}_p99_ms": alone.ms(99),
        f"{name}_16_p50_ms": together.ms(50),
        f"{name}_16_p99_ms": together.ms(99),
        f"{name}_16_per_s": rushed.per_s,
    }


def _known(reader: FeatureReader, key: str) -> None:
    (found,) = reader.read([Lookup("wide", key)])
    if found.missing or len(found.values) != 50:
        raise RuntimeError(f"{key}: {len(found.values)} features, missing: {found.missing}")


def _key(number: int, keys: int) -> str:
    return f"customer{random.Random(number).randrange(keys)}"


def _record(key: str) -> object:
    return {"dataframe_records": [{"customer": key}]}


def _offer(number: int, keys: int) -> object:
    places = {"shop": f"shop{number % 100}", "courier": f"courier{number % 100}"}
    return {"dataframe_records": [{"customer": _key(number, keys), **places}]}


def _asked_of_feast(key: str) -> object:
    return {"features": [f"wide:f{number}" for number in range(50)], "entities": {"customer": [key]}}


@contextlib.contextmanager
def _gateway(environ: Mapping[str, str]) -> Iterator[int]:
    port = _free_port()
    told = {**environ, "MILLRACE_FEATURES_MODULE": MODULE, "MILLRACE_GATEWAY_PORT": str(port)}
    command = [sys.executable, "-m", "streams", "gateway"]
    with _served(subprocess.Popen(command, env=told, cwd=CHECKOUT, stdout=subprocess.DEVNULL), port):
        yield port


@contextlib.contextmanager
def _feast(peer: str, folder: Path, keys: int) -> Iterator[tuple[int, str]]:
    port = _free_port()
    command = [peer, str(CHECKOUT / "tests" / "bench" / "feast_peer.py"), str(folder), str(port), str(keys)]
    with (folder / "feast.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
    if process.stdout is None:
        raise RuntimeError("Feast was started without a pipe")
    version = process.stdout.readline().decode().strip()
    if not version:
        raise RuntimeError(f"Feast does not run: {(folder / 'feast.log').read_text()[-2_000:]}")
    with _served(process, port):
        yield port, version


@contextlib.contextmanager
def _served(process: subprocess.Popen[bytes], port: int) -> Iterator[None]:
    try:
        _wait_for(process, port)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + STARTED_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing serves at port {port}; exit code {process.poll()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port
