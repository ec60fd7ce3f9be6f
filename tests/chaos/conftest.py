"""Which seeds are run: one of each kind in every test run, all of them on both databases by `make test-chaos`."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
SEEDS = range(1, 6)
SHORT = {"test_random_faults": (2, "postgres"), "test_index_faults": (1, "sqlite")}
"""In every run: together they hold every kind of fault."""

REWRITTEN = ("truth", "feed", "rest", "index_truth", "answer_truth", "index_crew")
"""Modules whose assertions tell what they saw."""

pytest.register_assert_rewrite("tests.integration.harness", *(f"tests.chaos.{name}" for name in REWRITTEN))


@pytest.fixture
def long(request: pytest.FixtureRequest) -> bool:
    """Whether this is the long suite."""
    return request.config.getoption("--chaos")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--seed")
        metafunc.parametrize("seed", SEEDS if wanted is None else [wanted])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--chaos") or config.getoption("--seed") is not None:
        return
    left_out = [item for item in items if HERE in item.path.parents and not short(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def short(item: pytest.Item) -> bool:
    """Whether a test is for every run."""
    found = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    database = found.get("store_environ")
    return (found["seed"], database) == SHORT[item.path.stem] if "seed" in found else database in (None, "sqlite")
