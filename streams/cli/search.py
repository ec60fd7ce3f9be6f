"""``millrace search``: what fits a question, read from the index."""

import sys
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import click
import msgspec

from infra.settings import Settings
from infra.store_errors import StoreMissing
from streams.cli.context import load_settings
from streams.cli.render import make_console, plural, print_lines, printable
from streams.cli.waits.standing import METAVAR

if TYPE_CHECKING:
    from models.minilm.minilm import MiniLM
    from streams.retrieval import Query

AGENT = "index"
TIMEOUT_S = 60.0
MOST = 100
"""Hits: of vectors and of words the best hundred are compared."""


@click.command("search")
@click.argument("words", nargs=-1, required=True, metavar="QUERY...")
@click.option("--as", "principals", multiple=True, metavar="PRINCIPAL", help="Who asks; repeatable. [default: public]")
@click.option("--tenant", help="Search this tenant's documents.  [default: those of none]")
@click.option("--where", "labels", multiple=True, metavar="NAME=VALUE", help="Only with this metadata; repeatable.")
@click.option("--entity", metavar="product_id=ID", help="Search the reviews of one product instead.")
@click.option("--limit", default=5, show_default=True, type=click.IntRange(1, MOST), help="Hits.")
@click.option(
    "--at-least", "receipts", multiple=True, metavar=METAVAR, help="Wait until this receipt is in it; repeatable."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0), help=f"Seconds to wait at most. [default: {TIMEOUT_S:g}]"
)
@click.option("--json", "as_json", is_flag=True, help="Print one hit a line, with the parts of its score.")
def command(
    words: tuple[str, ...],
    principals: tuple[str, ...],
    tenant: str | None,
    labels: tuple[str, ...],
    entity: str | None,
    limit: int,
    receipts: tuple[str, ...],
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Find what fits QUERY, a question or words: the best places, each with the sentence that fits.

    Only documents that PRINCIPAL may see are found. When vectors cannot be searched, words are, and stderr
    says so. With --at-least it first waits until that is in the index; at the timeout it searches all the
    same, says on stderr how far the index is behind, and exits with 4.

    \b
    Example:
      millrace search how do I reset the broker
      millrace search "quarterly numbers" --as group:finance --where year=2026
      millrace search "does the zipper hold" --entity product_id=B000HD1278 --json
    """
    if timeout_s is not None and not receipts:
        raise click.UsageError("--timeout says how long to wait for --at-least, which is missing.")
    labels, product_id = tuple(map(_check_label, labels)), _product(entity)
    if product_id is not None and (labels or tenant):
        raise click.UsageError("--where and --tenant are of documents; with --entity reviews are searched.")
    from streams.retrieval import Query  # here: `--help` loads no numpy

    settings, late = load_settings(), None
    if receipts:
        from streams.cli.waits.receipts import await_receipts  # here: a plain read needs no broker

        late = await_receipts(settings, AGENT, receipts, TIMEOUT_S if timeout_s is None else timeout_s, quiet=as_json)
    query = Query(" ".join(words), principals, tenant, labels, limit, newest=bool(receipts))
    with suppress(*([] if late is None else [StoreMissing])):  # it may stand when what is missing does
        run_search(settings, query, product_id, as_json)
    if late is not None:
        from streams.cli.waits.lateness import tell_late  # here: as above

        tell_late(settings, late, as_json=as_json)


def run_search(settings: Settings, query: "Query", product_id: str | None, as_json: bool) -> None:
    """Search, and print what was found, or what to do where nothing was.

    Raises:
        infra.store_errors.StoreError: If the index's store cannot be read.
    """
    from models.sentence_table import SentenceTable  # all of them here: `--help` loads no numpy
    from streams.cli.search_view import hit_lines
    from streams.places import store_place
    from streams.retrieval import Retrieval, read_index
    from streams.vector_place import open_vectors

    embedder, remedy = load_query_model(settings)
    with closing(open_vectors(settings)) as vectors:
        retrieval = Retrieval(read_index(store_place(settings, AGENT)), vectors, embedder, SentenceTable.load())
        found = retrieval.search(query) if product_id is None else retrieval.search_reviews(query, product_id)
    if found.degraded:
        click.echo(f"Note: {found.degraded}.{remedy}", err=True)
    if as_json:
        sys.stdout.buffer.writelines(msgspec.json.encode(passage.hit) + b"\n" for passage in found.passages)
        sys.stdout.flush()
    elif found.passages:
        console = make_console()
        print_lines(console, hit_lines(found.passages, query.text, console.width))
    else:
        told = nothing_found(retrieval.count(query), query) if product_id is None else nothing_of(product_id)
        click.echo(told)


def load_query_model(settings: Settings) -> tuple["MiniLM | None", str]:
    """Load the model of questions; without it, return what to do about that."""
    from models.minilm.files import ModelUnusable
    from models.minilm.minilm import MiniLM

    try:
        return MiniLM.load(settings.home / "models", "int8"), ""
    except ModelUnusable as error:
        return None, f" {error.remedy}"


def nothing_found(count: int, query: "Query") -> str:
    """Say what to do where no document fits."""
    who = "as " + ", ".join(map(printable, query.principals)) if query.principals else "without --as PRINCIPAL"
    if not count and (query.labels or query.tenant):
        return f"No document that can be seen {who} is of that tenant and metadata. Leave --tenant or --where out."
    if not count:
        return f"No document can be seen {who}. Send some: millrace produce documents FILE"
    return f"Nothing fits in the {plural(count, 'document')} that can be seen {who}. Try other words."


def nothing_of(product_id: str) -> str:
    """Say what to do where no review fits."""
    name = printable(product_id)
    return f"No review of {name!r} fits. See `millrace summaries` for products that have reviews."


def _check_label(label: str) -> str:
    name, equals, value = label.partition("=")
    if not (name and equals and value):
        raise click.BadParameter(f"{label!r} is no NAME=VALUE", param_hint="--where")
    return label


def _product(entity: str | None) -> str | None:
    if entity is None:
        return None
    name, _, product_id = entity.partition("=")
    if name != "product_id" or not product_id:
        raise click.BadParameter(
            f"{entity!r} is no product_id=ID; reviews of products are searched", param_hint="--entity"
        )
    return product_id
