"""``millrace up``: start the local stack."""

import signal
import sys
import time

import click
import msgspec

from infra.settings import Settings
from streams.cli.context import check_supported, load_settings
from streams.cli.errors import CommandError
from streams.cli.stack import PARTS, Tell, bring_up, take_down, workers
from streams.cli.starting import await_agents
from streams.places import check_stores

LOOK_S = 0.5


def _read_parts(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    parts = tuple(value.split(",")) if value else PARTS
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise click.BadParameter(f"{unknown[0]!r} is no part; there are {', '.join(PARTS)}")
    return parts


@click.command("up")
@click.option("--only", "parts", callback=_read_parts, metavar="PART,...", help=f"Start some parts: {','.join(PARTS)}.")
@click.option("--detach", is_flag=True, help="Return when everything runs, or cannot, instead of staying.")
@click.option("--json", "as_json", is_flag=True, help="One part a line.")
def command(parts: tuple[str, ...], detach: bool, as_json: bool) -> None:
    """Start Kafka and Milvus, create the topics, start the workers; what runs already is left alone.

    Workers that run keep their settings; when yours differ, that is told. Exit 1 when a worker cannot run.

    Kafka and Milvus are our own, unless MILLRACE_KAFKA or MILLRACE_MILVUS name others. Results live under
    MILLRACE_HOME, unless MILLRACE_SQL names a Postgres.

    \b
    Example:
      millrace up --detach
      MILLRACE_KAFKA=kafka.example:9092 millrace up --only workers
    """

    def tell(part: str, became: str) -> None:
        told = msgspec.json.encode({"part": part, "state": became}).decode() if as_json else f"{part:8} {became}"
        click.echo(told)
        sys.stdout.flush()

    settings = load_settings()
    check_supported(settings)
    if "workers" in parts:
        check_stores(settings)
    if detach:
        _detach(settings, parts, tell)
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        bring_up(settings, parts, tell)
        if "workers" in parts:
            await_agents(settings, tell)
        tell("all", "up; Ctrl-C takes everything down")
        _stay(settings, parts)
    except KeyboardInterrupt:
        pass
    finally:
        take_down(settings, tell)


def _detach(settings: Settings, parts: tuple[str, ...], tell: Tell) -> None:
    bring_up(settings, parts, tell)
    failing = await_agents(settings, tell) if "workers" in parts else ()
    if failing:
        what = f"{', '.join(failing)} cannot run; what else was started goes on"
        raise CommandError(what, "Mend that, then `millrace down` and `millrace up --detach`.")


def _stay(settings: Settings, parts: tuple[str, ...]) -> None:
    watched = workers(settings)
    while "workers" not in parts or watched.running():
        time.sleep(LOOK_S)
    raise CommandError("the workers' supervisor ended by itself", f"Its log is {watched.log_file}.")
