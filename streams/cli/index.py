"""``millrace index``: see whether what can be searched is right, and make it anew."""

import time
from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec

from infra.settings import Settings
from infra.stores import AgentStore
from streams.cli.context import load_settings
from streams.cli.errors import CommandError
from streams.cli.interrupts import interruptible
from streams.cli.render import make_console, print_lines
from streams.places import store_place

if TYPE_CHECKING:
    from streams.cli.indexes.rebuilding import Rebuilt
    from streams.cli.indexes.verifying import Show, Verified

AGENT = "index"
REBUILD = "rebuild"
AGAIN = "The index that served still serves. Run the same command again: it goes on where it was."


@click.group("index")
def command() -> None:
    """See whether what can be searched is right, and make it anew; searches go on all the time.

    \b
    Example:
      millrace index verify || millrace index rebuild
    """


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(as_json: bool) -> None:
    """See whether registry, words and vectors agree.

    Every document is cut anew and compared with its chunks, those with their words and vectors, and reviews
    with their words. What workers have not come to yet is pending, not wrong. Exit 1: they do not agree.

    \b
    Example:
      millrace index verify
      millrace index verify --json
    """
    from streams.cli.indexes.view import bars, verified_json, verified_lines  # here: `--help` loads no numpy

    settings = load_settings()
    with bars(as_json) as show:
        verified = run_verify(settings, show)
    if as_json:
        click.echo(msgspec.json.encode(verified_json(verified)))
    else:
        print_lines(make_console(), verified_lines(verified))
    if not verified.agree:
        raise CommandError("registry, words and vectors do not agree", "Mend it with `millrace index rebuild`.")


@command.command("rebuild")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rebuild(as_json: bool) -> None:
    """Make the index anew with the model of the settings, beside the one that serves, and switch.

    Chunks and words are put right, vectors that are known are used again. Workers go on meanwhile; those of
    another model stop at the switch. It can be interrupted at any time, and goes on where it was.

    \b
    Example:
      millrace index rebuild
      MILLRACE_INDEX_CHUNK_CHARACTERS=600 millrace index rebuild
    """
    from streams.cli.indexes.view import bars, rebuilt_lines  # here: as above

    settings = load_settings()
    try:
        with interruptible(), bars(as_json) as show:
            rebuilt = run_rebuild(settings, show)
    except KeyboardInterrupt:
        click.echo(AGAIN, err=True)
        raise
    if as_json:
        click.echo(msgspec.json.encode(rebuilt))
    else:
        print_lines(make_console(), rebuilt_lines(rebuilt))


def run_verify(settings: Settings, show: "Show") -> "Verified":
    """Compare everything once.

    Raises:
        infra.errors.InfraError: If store or vector store cannot be read.
    """
    from streams.cli.indexes.verifying import Verifying  # all of them here: as above
    from streams.vector_place import open_vectors

    store = AgentStore(store_place(settings, AGENT))
    with closing(open_vectors(settings)) as vectors:
        return Verifying(store, vectors, settings.index.chunk_characters, show).run()


def run_rebuild(settings: Settings, show: "Show") -> "Rebuilt":
    """Rebuild, unless somebody else does.

    Raises:
        CommandError: If somebody does.
        infra.errors.InfraError: If store, vector store or model cannot be used.
    """
    from infra.alone import alone  # all of them here: as above
    from streams.assemblies.index import chunking_of, load_document_model
    from streams.cli.indexes.rebuilding import Rebuilding, Recipe
    from streams.vector_place import open_vectors

    place = store_place(settings, AGENT)
    reader, writer = AgentStore(place), AgentStore(place, "rw")
    recipe = Recipe(settings.kafka.prefix, chunking_of(settings), settings.index.chunk_characters)
    with alone(place, REBUILD) as ours:
        if not ours:
            raise CommandError("another `millrace index rebuild` runs", "Wait until it ends, or stop it.")
        embedder = load_document_model(settings)
        with closing(open_vectors(settings)) as vectors:
            return Rebuilding(reader, writer, vectors, embedder, recipe, show=show, now=time.time).run()
