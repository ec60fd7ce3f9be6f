"""The README tells the truth: its tree, commands, settings, reasons and graph are those of the code."""

import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from infra.metrics import COUNTERS, DEPTHS, GAUGES, OFFSETS
from infra.settings import Settings
from infra.settings_reading import declared
from schemas.reviews import Review
from streams.cli.root import COMMANDS
from streams.events import read_events
from streams.graph import AGENTS
from tests.streams.digest_worker import Worker
from tests.streams.fakes import Clock, raw, review

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FOLDERS = ("schemas", "processors", "models", "kernels", "infra", "streams")
PATH = re.compile(r"\.?[\w-]+/[\w/]*|[\w.-]*\.(?:py|toml|xml|properties|md|yaml)|\.\w+|Makefile|LICENSE|NOTICE")


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def tree() -> set[Path]:
    """Read every path that the tree names, relative to the checkout."""
    found, folders = set(), [(-1, Path())]
    block = section("The tree").split("```text\n")[1].split("```")[0]
    for line in block.splitlines():
        depth = len(line) - len(line.lstrip())
        while folders[-1][0] >= depth:
            folders.pop()
        for name in line.split():
            if not PATH.fullmatch(name):
                break
            path = folders[-1][1] / name
            found.add(path)
        if line.split()[0].endswith("/"):
            folders.append((depth, path))
    return found


def mentioned_options(row: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", row))


def options(command: click.Command) -> set[str]:
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    return {name for one in (command, *inner) for parameter in one.params for name in parameter.opts}


def load(name: str) -> click.Command:
    return importlib.import_module(f"streams.cli.{name.replace('-', '_')}").command


def test_every_path_of_the_tree_exists():
    assert len(tree()) > 100
    assert [str(path) for path in sorted(tree()) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_is_in_the_tree(folder):
    modules = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py") if path.name != "__init__.py"}
    assert modules
    assert sorted(map(str, modules - tree())) == []


def test_the_table_of_commands_is_that_of_the_code():
    rows = dict(re.findall(r"^\| `millrace ([\w-]+)` \| (.*) \|$", section("Commands"), re.MULTILINE))
    assert list(rows) == list(COMMANDS)
    for name, told in rows.items():
        command = load(name)
        assert mentioned_options(told) <= options(command), name
        if isinstance(command, click.Group):
            assert set(re.findall(r"`(\w[\w-]*)`", told)) == set(command.commands), name


def test_the_lines_to_type_are_understood():
    lines = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]
    calls = [part.split("millrace ", 1)[1] for line in lines for part in line.split("&&") if "millrace " in part]
    assert calls
    for call in calls:
        name, *arguments = shlex.split(call)
        assert name in COMMANDS
        assert mentioned_options(" ".join(arguments)) <= options(load(name))


def test_the_settings_named_exist():
    known = {variable for one in declared(Settings) for variable in one.variables}
    assert set(re.findall(r"MILLRACE_[A-Z_]+[A-Z]", README)) - {"MILLRACE_SECTION_KEY"} <= known


def test_the_reasons_of_dead_letters_are_those_of_the_code():
    told = set(re.findall(r"dead letter `(\w+)`|: `(\w+)`;", section("What becomes of bad input")))
    code = "".join(path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
    given = set(re.findall(r"Unreadable\(\s*\"(\w+)\"", code))
    assert {first or second for first, second in told} <= given


@pytest.mark.parametrize(
    ("row", "value", "reason"),
    [
        ("bytes that are no UTF-8", b'{"review_id": "r", "product_id": "p", "text": "\xff"}', "not_json"),
        ("no JSON, cut off, empty or null", b'{"review_id": "r"', "not_json"),
        ("empty or null", b"", "not_json"),
        ("null", None, "not_json"),
        ("a lone surrogate", b'{"review_id": "r", "product_id": "p", "text": "\\ud83d"}', "not_json"),
        ("raw in the JSON", b'{"review_id": "r", "product_id": "p", "text": "a\x00"}', "not_json"),
        ("as `\\u0000` in the text", review(1, text="a\0"), None),
        ("in an id: `invalid_field`", review(1, product_id="a\0"), "invalid_field"),
        ('`"text": ["a"]`', review(1, text=["a"]), "invalid_field"),
        ('`"review_id": 7`', review(1, review_id=7), "invalid_field"),
        ("a missing `review_id`", {"product_id": "p", "text": "Fine."}, "missing_field"),
        ("`text` |", {"product_id": "p", "review_id": "r"}, "missing_field"),
        ("`rating` 0", review(1, rating=0), "invalid_field"),
        ("7 or", review(1, rating=7), "invalid_field"),
        ("4.5", review(1, rating=4.5), "invalid_field"),
        ('`rating` `"5"`', review(1, rating="5"), "invalid_field"),
        ("or `5.0`", b'{"review_id": "r", "product_id": "p", "text": "", "rating": 5.0}', "invalid_field"),
        ("an id that is empty", review(1, review_id=""), "invalid_field"),
        ("longer than 200 characters", review(1, review_id="x" * 201), "invalid_field"),
        ("such as 3 MB", review(1, text="x" * 3_000_000), "text_too_long"),
        ("`created_at` before 1970", review(1, created_at="1815-06-18T12:00:00Z"), "date_out_of_range"),
        ("more than a day after", review(1, created_at="2024-06-02T00:00:02Z"), "date_out_of_range"),
        ("`created_at` without a zone", review(1, created_at="2024-05-01T00:00:00"), "invalid_field"),
        ("or a number", review(1, created_at=1340409600), "invalid_field"),
        ("no `created_at`", review(1), None),
        ("`op` = `delete`", {"review_id": "r", "product_id": "p", "op": "delete"}, None),
        ("a newer `revision`", review(1, revision=3), None),
        ("unknown fields", review(1, colour="red"), None),
        ("an empty text", review(1, text=""), None),
        ("emoji alone", review(1, text="😀😀"), None),
        ("another language", review(1, text="Отличная куртка, очень доволен"), None),
    ],
)
def test_what_is_said_of_bad_input_is_what_happens(row, value, reason, store):
    assert row in section("What becomes of bad input")
    handler = Worker(store, Clock()).handler
    events, rejections = read_events([raw(0, value)], Review)
    decision = handler.decide(events, 1)
    assert [one.problem.reason for one in (*rejections, *decision.rejections)] == ([reason] if reason else [])
    assert len(decision.reviews) == (reason is None)


def test_the_metrics_named_are_those_of_the_code():
    told = set(re.findall(r"`(millrace_[a-z_]+)`", section("Metrics")))
    served = {f"{one.name}_total" for one in COUNTERS} | {one.name for one in GAUGES}
    served |= {name for name, *_ in (*DEPTHS, *OFFSETS)} | {"millrace_worker_state", "millrace_supervisor_info"}
    assert told == served


def test_the_graph_is_that_of_the_code():
    chains, shown = [], README.split("```text\n")[1].split("```")[0]
    for agent in AGENTS.values():
        if chains and chains[-1][-1] in agent.inputs and len(agent.inputs) == 1:
            chains[-1] += [agent.name, *agent.outputs]
        else:
            chains.append([", ".join(agent.inputs), agent.name, *agent.outputs])
    drawn = [line.split("  ")[0] for line in shown.splitlines()]
    assert drawn == [" -> ".join(chain) for chain in chains]
