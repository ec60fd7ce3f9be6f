from collections import defaultdict
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.integration.harness")

HERE = Path(__file__).parent
BOTH = (
    "test_what_is_erased_is_gone_everywhere_and_the_receipt_is_true",
    "test_a_worker_frozen_inside_a_write_transaction_is_killed_and_the_others_go_on",
)
"""What databases do in ways of their own: on both in every run. All else is on one, in turn, and on both with
``--chaos``."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--chaos"):
        return
    of_test: dict[tuple[Path, str], list[pytest.Item]] = defaultdict(list)  # the same but for the database
    for item in items:
        if item.path.parent == HERE and isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            values = {name: value for name, value in item.callspec.params.items() if name != "store_environ"}
            of_test[item.path, f"{item.originalname} {values}"].append(item)
    turns: dict[Path, int] = defaultdict(int)
    left_out = []
    for (path, name), found in of_test.items():
        if len(found) == 2 and not name.startswith(BOTH):
            left_out.append(found[(turns[path] + 1) % 2])
            turns[path] += 1
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
