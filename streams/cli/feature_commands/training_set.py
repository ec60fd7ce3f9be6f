"""``millrace features training-set``: features as of each label's time, in a Parquet file."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from infra.column_files import ColumnFile
from infra.kept_store import KeptStore
from infra.settings import Settings
from processors.features.definitions.faults import WrongDefinition
from processors.features.definitions.serving import FeatureSpec
from processors.features.serving.calling import CallsHere
from schemas.records import Unreadable
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.feature_commands.labels import LabelFile, Labels, open_labels
from streams.cli.feature_commands.sources import AGENT, needed_module
from streams.cli.interrupts import interruptible
from streams.cli.render import printable
from streams.features.module import FeatureModule
from streams.features.training_past import PastReader
from streams.features.training_sets import KEY_BY_KEY, Facts, Label, TrainingSet, hints, only_key
from streams.places import store_place

TOLD = 5
"""Bad rows shown one by one."""


@dataclass(slots=True)
class _Job:
    """What one call of the command is about."""

    file: LabelFile
    labels: Labels
    out: Path
    time_column: str
    as_known: bool
    rejected: int = 0
    guessed: list[str] = field(default_factory=list)


@click.command("training-set")
@click.option(
    "--labels",
    "labels_file",
    required=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="jsonl, csv (.gz, .xz, .zst too) or parquet, with a time and the spec's inputs; - is jsonl from stdin.",
)
@click.option("--spec", "spec_name", required=True, metavar="NAME", help="The feature spec of your module.")
@click.option(
    "--out", required=True, metavar="FILE.parquet", type=click.Path(dir_okay=False, path_type=Path), help="To write."
)
@click.option("--time", "time_column", default="time", show_default=True, help="Column with each label's time.")
@click.option("--as-known", is_flag=True, help="Leave out what had happened, but was sent after the label's time.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(
    labels_file: str, spec_name: str, out: Path, time_column: str, as_known: bool, force: bool, as_json: bool
) -> None:
    """Write what a spec would have served for each label, as of the label's time.

    Nothing that happened after a label's time is in its row; what happened at that very time is. The file has the
    labels' own columns, the spec's outputs, __incomplete (events of before its time may be forgotten), and __error
    (why there are no features). Tables that are copied from elsewhere have no history: they give what stands now.
    Functions run in this process, without a time limit. Exit 3: some rows were not taken.

    \b
    Example:
      millrace features training-set --labels late.csv --spec order_status --out late.parquet --time asked_at
    """
    _check_out(out, force)
    settings = load_settings()
    module = needed_module(settings)
    spec = _spec(module, spec_name)
    file = open_labels(labels_file)
    labels = Labels(spec, time_column, texts=file.form == "csv")
    job = _Job(file, labels, out, time_column, as_known)
    started = time.monotonic()
    with interruptible():
        facts, failure = _make(job, settings, module, spec)
    _tell(job, facts, failure, time.monotonic() - started, as_json=as_json)
    if job.rejected:
        raise click.exceptions.Exit(Exit.REJECTED)


def _check_out(out: Path, force: bool) -> None:
    if out.exists() and not force:
        raise CommandError(f"{out} is there already", "Name another file, or replace it with --force.", Exit.USAGE)
    if not out.parent.is_dir():
        raise CommandError(f"there is no folder {out.parent}", "Make it first.", Exit.USAGE)


def _spec(module: FeatureModule, name: str) -> FeatureSpec:
    spec = module.specs.get(name)
    if spec is None:
        told = f"It has {', '.join(module.specs)}." if module.specs else "It has none."
        raise CommandError(f"the module has no feature spec {printable(name)!r}", told, Exit.NOT_FOUND)
    try:
        spec.check_tables([*module.tables.values(), *module.synced.values()])
    except WrongDefinition as error:
        raise CommandError(f"{error.place}: {error.what}", error.remedy, Exit.USAGE) from error
    return spec


def _make(job: _Job, settings: Settings, module: FeatureModule, spec: FeatureSpec) -> tuple[Facts, str | None]:
    now_us = int(time.time() * 1e6)
    store = KeptStore(store_place(settings, AGENT))
    try:
        with store.transaction() as connection:
            keep = None if only_key(spec) is None else KEY_BY_KEY
            reader = PastReader(connection, module, spec, now_us=now_us, as_known=job.as_known, keep=keep)
            work = TrainingSet(spec, reader, CallsHere([spec]), now_us, job.guessed)
            with ColumnFile(job.out, hints(spec, reader)) as columns, _progress(job.file) as show:
                for made in work.add(_read(job, show), columns):
                    show(f"{made.rows:,} rows")
                facts = work.facts(job.time_column, job.rejected, as_known=job.as_known)
                columns.finish({"millrace": msgspec.json.encode(facts)}, lambda rows: show(f"{rows:,} written"))
            return facts, work.made.first_failure
    finally:
        store.close()


def _read(job: _Job, show: Callable[[str | None], None]) -> Iterator[Label]:
    for row in job.file.rows(job.labels.columns if job.file.form != "jsonl" else ()):
        if row.number % 1_000 == 0:
            show(None)
        try:
            if row.problem is not None:
                raise row.problem
            label = job.labels.label(row.values)
        except Unreadable as problem:
            job.rejected += 1
            if job.rejected <= TOLD:
                click.echo(f"rejected {Path(job.file.name).name}:{row.line}  {printable(problem.error)}", err=True)
            continue
        if not job.guessed:
            job.guessed += job.labels.guessed(label)
        yield label


@contextmanager
def _progress(file: LabelFile) -> Iterator[Callable[[str | None], None]]:
    """Show a bar on stderr of how far the labels are; nothing where nobody watches."""
    console = Console(stderr=True)
    columns = (TextColumn("labels"), BarColumn(), TextColumn("{task.fields[told]}"), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("labels", total=file.bytes_total, told="")

        def show(told: str | None) -> None:
            if not bar.disable:
                bar.update(task, completed=file.bytes_read)
            if told is not None:
                bar.update(task, told=told)

        yield show


def _tell(job: _Job, facts: Facts, failure: str | None, seconds: float, *, as_json: bool) -> None:
    if as_json:
        told = msgspec.to_builtins(facts) | {"file": str(job.out), "seconds": round(seconds, 3)}
        click.echo(msgspec.json.encode(told))
        return
    if job.rejected > TOLD:
        click.echo(f"rejected {job.rejected - TOLD:,} more", err=True)
    rate = facts.rows / max(seconds, 0.001)
    click.echo(f"wrote {facts.rows:,} rows to {job.out} in {seconds:.1f} s ({rate:,.0f}/s), rejected {job.rejected:,}")
    if facts.failed:
        click.echo(f"  {facts.failed:,} have no features, see __error; the first: {printable(failure or '')}")
    if facts.incomplete:
        since = "" if facts.complete_from is None else f": features are whole from {_minute(facts)} on"
        click.echo(f"  {facts.incomplete:,} are before the log's reach or after now, see __incomplete{since}")
    for name, copied_at in facts.copied.items():
        click.echo(f"  {name} has no history: its values are those of {copied_at:%Y-%m-%d %H:%M} UTC")


def _minute(facts: Facts) -> str:
    return "" if facts.complete_from is None else f"{facts.complete_from:%Y-%m-%d %H:%M} UTC"
