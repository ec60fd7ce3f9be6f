"""``millrace bench``: measure on this machine, and say on what."""

import importlib
import inspect
import json
import os
import platform
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from streams.cli.errors import CommandError

BENCHMARKS = ("summaries", "recovery", "rebuild", "retrieval", "index", "ask", "writers", "features")
CHECKOUT = Path(__file__).parents[2]
LIBRARIES = ("faust-streaming", "aiokafka", "msgspec", "numpy", "sqlalchemy", "pymilvus", "onnxruntime")
ONLY_THERE = ("tests", "tests.bench", "rouge_score", "psycopg", "pytest", "bm25s", "Stemmer")
"""Modules that an installed command may lack."""


@click.command(epilog="Example: millrace bench summaries --data ../data --json")
@click.argument("name", type=click.Choice(BENCHMARKS))
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Public data sets.")
@click.option(
    "--limit",
    type=click.IntRange(min=10),
    metavar="N",
    help="A small run: of retrieval, index, ask, writers, features.",
)
@click.option(
    "--peer",
    metavar="PYTHON",
    help="One with sentence-transformers (retrieval), the llm extra (writers) or Feast (features).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def command(name: str, data: Path | None, limit: int | None, peer: str | None, as_json: bool) -> None:
    """Measure speed and quality; takes some minutes and starts a stack of its own."""
    if str(CHECKOUT) not in sys.path:  # an installed command finds our packages, not the tests beside them
        sys.path.insert(0, str(CHECKOUT))
    try:
        benchmark = importlib.import_module(f"tests.bench.{name}")
    except ModuleNotFoundError as error:
        if error.name not in ONLY_THERE:
            raise
        what = f"benchmarks need the source checkout and its development packages ({error.name} is missing)"
        raise CommandError(what, "Run `make test` once in the checkout, then `make bench`.", 1) from error
    from infra.logging import configure_logging  # here: half of the commands never need it

    configure_logging("console", "warning")  # to stderr: what is measured is all that is printed
    measured_on, figures = benchmark.run(data, _tell, **_asked(benchmark.run, limit=limit, peer=peer))
    report = {
        "name": name,
        "machine": machine(),
        "versions": {"python": platform.python_version(), **{one: version(one) for one in LIBRARIES}},
        "date": datetime.now(UTC).date().isoformat(),
        "input": measured_on,
        "figures": figures,
    }
    click.echo(json.dumps(report) if as_json else table(report))


def _tell(line: str) -> None:
    click.echo(f"measuring: {line}", err=True)


def _asked(run: Callable[..., object], **options: object) -> dict[str, object]:
    """Keep the options that were given, unless the benchmark has no such option."""
    given = {name: value for name, value in options.items() if value is not None}
    unknown = sorted(set(given) - set(inspect.signature(run).parameters))
    if unknown:
        raise click.UsageError(f"this benchmark takes no --{unknown[0]}")
    return given


def machine() -> str:
    """Describe this machine in a few words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{os.cpu_count()} cores, {model}, {platform.system()}"


def table(report: dict[str, Any]) -> str:
    """Lay a report out for people."""
    versions = ", ".join(f"{library} {number}" for library, number in report["versions"].items())
    head = [f"{report['name']} on {report['machine']}, {report['date']}", versions, f"input: {report['input']}", ""]
    width = max(30, *(len(key) + 2 for key in report["figures"]))
    rows = [
        f"  {key:<{width}}{'-' if value is None else format(value, ',')}" for key, value in report["figures"].items()
    ]
    return "\n".join([*head, *rows])
