"""The suite's own Milvus."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from infra.errors import ProgramMissing
from infra.local.milvus import MilvusServer
from infra.vectors.vector_store import Floats, VectorRow

CHECKOUT = Path(__file__).parents[1]

TICK_MS = 50
"""Rows are seen sooner than in earnest: a test waits for many."""


@contextmanager
def running_milvus(folder: Path) -> Iterator[MilvusServer]:
    """Start one, and kill it at the end; skips where there is none for this machine, but fails in CI."""
    server = MilvusServer(folder, port=0, tick_ms=TICK_MS, programs=CHECKOUT / ".millrace" / "milvus-programs")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped test run leaves no server behind
    try:
        server.start()
    except ProgramMissing as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    try:
        yield server
    finally:
        server.kill()  # its data goes with the folder, and to stop it takes six seconds


def unit(*numbers: float) -> Floats:
    """Make a vector of length 1."""
    vector = np.asarray(numbers, np.float32)
    return vector / np.linalg.norm(vector)


def vector_row(row_id: int, vector: Floats, **more: object) -> VectorRow:
    """Make a row that everybody of tenant 1 with principal 7 sees."""
    given = {"document_key": "/d", "tenant": 1, "principals": (7,), "labels": ()} | more
    return VectorRow(row_id=row_id, vector=vector, **given)
