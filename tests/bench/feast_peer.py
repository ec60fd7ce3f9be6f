"""Feast with its SQLite online store and its Python feature server, in an environment of its own.

``PYTHON tests/bench/feast_peer.py FOLDER PORT KEYS``: writes KEYS customers of 50 features, prints its version, and
serves them. Runs in the peer's environment, so it imports nothing of ours.
"""

import os
import random
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

NAMES = [f"f{number}" for number in range(50)]
PAGE = 2_000
STORE = """project: bench
provider: local
registry: registry.db
online_store:
  type: sqlite
  path: online.db
entity_key_serialization_version: 3
"""


def write(folder: Path, keys: int) -> None:
    """Define the view, and write its rows to the online store."""
    import pandas
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.types import Float64
    from feast.value_type import ValueType

    (folder / "feature_store.yaml").write_text(STORE)
    pandas.DataFrame({"customer": ["c"], "at": [datetime.now(UTC)], **{name: [0.0] for name in NAMES}}).to_parquet(
        folder / "rows.parquet"
    )
    store = FeatureStore(repo_path=str(folder))
    customer = Entity(name="customer", join_keys=["customer"], value_type=ValueType.STRING)
    view = FeatureView(
        name="wide",
        entities=[customer],
        ttl=timedelta(days=30),
        schema=[Field(name=name, dtype=Float64) for name in NAMES],
        source=FileSource(path=str(folder / "rows.parquet"), timestamp_field="at"),
    )
    store.apply([customer, view])
    chance = random.Random(1)
    for first in range(0, keys, PAGE):
        numbers = range(first, min(first + PAGE, keys))
        rows = {"customer": [f"customer{one}" for one in numbers], "at": [datetime.now(UTC)] * len(numbers)}
        rows |= {name: [chance.random() for _ in numbers] for name in NAMES}
        store.write_to_online_store("wide", pandas.DataFrame(rows))


def main(folder: str, port: str, keys: str) -> None:
    """Write, say that it is done, and become the server."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    write(Path(folder), int(keys))
    sys.stdout.write(f"feast {version('feast')}\n")
    sys.stdout.flush()
    os.chdir(folder)
    feast = str(Path(sys.executable).with_name("feast"))
    sys.exit(subprocess.run([feast, "serve", "--host", "127.0.0.1", "--port", port, "--no-access-log"]).returncode)


if __name__ == "__main__":
    main(*sys.argv[1:])
