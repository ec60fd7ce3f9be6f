"""The official AsyncAPI parser, installed once for the checkout; records as we publish them."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.database import Waits, open_store
from infra.outbox import Output
from infra.places import StorePlace
from schemas.tables import GROUPS
from tests.contracts.published import publish, publish_features, publish_found

PROGRAM = Path(__file__).parent / "asyncapi"
CACHE = Path(__file__).parents[2] / ".millrace" / "contracts"
INSTALL_S = 240


@pytest.fixture(scope="session")
def parse_asyncapi() -> Callable[..., list[dict]]:
    """Read documents with the official parser: for each, its ``diagnostics`` and ``operations``."""
    try:
        subprocess.run(["node", "--version"], capture_output=True, check=True)
        folder = installed()
    except (OSError, subprocess.SubprocessError) as error:
        words = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        told = f"needs node and npm (apt-get install nodejs npm), and the network once: {words[0]}"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)

    def parse(*documents: Path) -> list[dict]:
        command = ["node", "check.mjs", *(str(one.resolve()) for one in documents)]
        return json.loads(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout)

    return parse


def installed() -> Path:
    """Install the locked packages, unless these very ones are there."""
    files = sorted(path for path in PROGRAM.iterdir() if path.is_file())
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]
    folder = CACHE / digest
    if folder.exists():
        return folder
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as fresh:
        for path in files:
            shutil.copy(path, fresh)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(command, cwd=fresh, capture_output=True, text=True, check=True, timeout=INSTALL_S)
        with contextlib.suppress(OSError):  # another test process was faster
            Path(fresh).rename(folder)
    return folder


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> list[Output]:
    """What the agents publish, of every kind."""
    found = []
    for make in (publish, publish_found, publish_features):
        store = open_store(StorePlace("agent", tmp_path_factory.mktemp("published")), Waits(), GROUPS)
        try:
            found += make(store)
        finally:
            store.close()
    return found
