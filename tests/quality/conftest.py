from pathlib import Path

import pytest

from models.sentence_table import SentenceTable


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder of public review sets given by ``--data``."""
    given = request.config.getoption("--data", default=None)
    if given is None:
        pytest.skip("needs --data DIR with the public review sets")
    return Path(given)


@pytest.fixture(scope="session")
def table() -> SentenceTable:
    return SentenceTable.load()
