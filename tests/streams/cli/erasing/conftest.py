from pathlib import Path

import pytest

from tests.streams.cli.erasing.answered import answer, citation
from tests.streams.cli.erasing.document_stage import QUOTE, SECRET, Stage, topics


@pytest.fixture(scope="session")
def made_document_stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """Stores with all in them: to copy them is faster than to make them."""
    stage = Stage(tmp_path_factory.mktemp("made"), topics())
    stage.fill()
    stage.ask(answer("q1", f'"{QUOTE}" [1]', citation(QUOTE, SECRET)))
    stage.ask(answer("q2", '"It is so." [1]', citation("It is so.", "parcels.md")), cited=False)
    return stage


@pytest.fixture
def document_stage(made_document_stage: Stage, tmp_path: Path) -> Stage:
    return made_document_stage.copied(tmp_path / "home", topics())
