from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.integration.harness")

HERE = Path(__file__).parent
KILLS = ("test_crash_points", "test_index_crash_points", "test_index")
"""Modules with a kill at every point: in every run each on one database, in turn, and on both with ``--chaos``."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--chaos"):
        return
    seen: dict[str, int] = {}  # a point of a module: how many there were before it
    left_out = []
    for item in items:
        found = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if item.path.parent != HERE or item.path.stem not in KILLS or not {"point", "digest"} & set(found):
            continue
        number = seen.setdefault(f"{item.path.stem} {found.get('point')} {found.get('digest')}", len(seen))
        if found["store_environ"] != ("sqlite", "postgres")[number % 2]:
            left_out.append(item)
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
