"""The tree is the architecture: what may import what, and how large anything may grow."""

import ast
import importlib.metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "schemas": set(),
    "kernels": set(),
    "processors": {"schemas", "kernels"},
    "models": {"schemas", "processors", "kernels"},
    "infra": {"schemas"},
    "streams": {"schemas", "processors", "models", "infra"},
}
"""Folders each folder may import besides itself."""

FUNCTION_LINES = 30
FILE_LINES = 300


def modules(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob("*.py"))
    assert found
    return found


def imported(path: Path) -> set[str]:
    """Name the packages a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("folder", ALLOWED)
def test_imports_point_one_way(folder):
    forbidden = set(ALLOWED) - ALLOWED[folder] - {folder} | {"tests"}
    wrong = {str(path.relative_to(ROOT)): sorted(imported(path) & forbidden) for path in modules(folder)}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_only_streams_knows_faust():
    others = [path for folder in ALLOWED if folder != "streams" for path in modules(folder)]
    assert [path for path in others if imported(path) & {"faust", "mode"}] == []


def test_one_kernel_may_not_hide_another_of_the_same_name():
    assert (ROOT / "kernels" / "__init__.py").read_bytes() == b""
    installed = {distribution.metadata["Name"].lower() for distribution in importlib.metadata.distributions()}
    assert not installed & {"kernels", "schemas", "processors", "models", "infra", "streams"}


@pytest.mark.parametrize("folder", ALLOWED)
def test_files_and_functions_stay_small_enough_to_be_read_at_once(folder):
    wrong = []
    for path in modules(folder):
        text = path.read_text()
        name = path.relative_to(ROOT)
        if len(text.splitlines()) > FILE_LINES:
            wrong.append(f"{name}: {len(text.splitlines())} lines")
        wrong += [f"{name}: {node.name} has {lines} lines" for node, lines in bodies(text) if lines > FUNCTION_LINES]
    assert wrong == []


def bodies(text: str) -> list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    """Measure every function without its signature and its docstring."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            found.append((node, body[-1].end_lineno - body[0].lineno + 1 if body else 0))
    return found


def test_only_the_delivery_loop_touches_offsets_and_commits():
    names = {"commit", "perform_seek", "_committed_offset", "seek_to_committed"}
    wrong = []
    for path in modules("streams"):
        used = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        if used & names and path.name != "runs.py":
            wrong.append(path.name)
    assert wrong == []
