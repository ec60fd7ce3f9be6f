"""``millrace evaluate``: how well documents are found, and questions to measure it with."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from infra.stores import AgentStore
from processors.evaluation.synthesis import PER_DOCUMENT, Question, synthesize
from schemas.documents import PUBLIC, Document
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.evaluation.evaluating import compare, write_per_question
from streams.cli.evaluation.judgments import read_documents, read_judged, write_judged
from streams.cli.evaluation.synthesizing import sources_of_documents, sources_of_index
from streams.cli.evaluation.view import Step, bars, table_lines
from streams.cli.render import make_console, plural, print_lines
from streams.places import store_place

KS = (10,)
GRID_KS = (5, 10)

_FILE = click.Path(exists=True, dir_okay=False)
_AS = click.option(
    "--as", "principals", multiple=True, metavar="PRINCIPAL", help="See what this one may see; repeatable."
)
_TENANT = click.option("--tenant", help="Whose documents; without, those of no tenant.")
_DOCUMENTS = click.option(
    "--documents", type=_FILE, metavar="FILE", help="Documents as jsonl, instead of the standing index."
)


@click.group("evaluate")
def command() -> None:
    """Measure how well documents are found; make questions to measure with.

    \b
    Example:
      millrace evaluate synthesize --out questions
      millrace evaluate retrieval --queries questions/queries.jsonl --qrels questions/qrels.tsv
    """


@command.command("retrieval")
@click.option("--queries", required=True, type=_FILE, metavar="FILE", help="jsonl: _id (or query_id), text.")
@click.option("--qrels", required=True, type=_FILE, metavar="FILE", help="tsv: query-id, corpus-id, score.")
@_DOCUMENTS
@click.option("--grid", is_flag=True, help="Try chunk sizes and weights on private indexes, made for this.")
@click.option("--k", "ks", multiple=True, type=click.IntRange(1, 100), help="Documents that count; repeatable.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Questions asked at most.")
@_AS
@_TENANT
@click.option(
    "--per-question",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a tsv with a row a question and configuration, the worst question first.",
)
@click.option("--seed", default=0, show_default=True, help="Of the bootstrap.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a configuration and k.")
def retrieval(
    queries: str,
    qrels: str,
    documents: str | None,
    grid: bool,
    ks: tuple[int, ...],
    limit: int | None,
    principals: tuple[str, ...],
    tenant: str | None,
    per_question: Path | None,
    seed: int,
    as_json: bool,
) -> None:
    """Ask questions whose answers are known, and say how well the right documents are found.

    Prints precision, recall, MRR and nDCG of the first k documents. Without --grid it asks the standing index, or
    one made of --documents as the settings say. With --grid it tries chunks of 500, 1000 and 2000 characters with
    words, vectors and sentences weighted in several ways, on indexes of its own that are gone afterwards, and
    compares each with the settings of today by a paired bootstrap.

    The files are those of the BEIR collections; see `millrace evaluate synthesize`.

    \b
    Example:
      millrace evaluate retrieval --queries queries.jsonl --qrels qrels.tsv
      millrace evaluate retrieval --queries queries.jsonl --qrels qrels.tsv --documents corpus.jsonl --grid
    """
    from streams.cli.evaluation.trials import Asker, try_private, try_standing  # here: it brings models, 0.5 s

    judged = read_judged(queries, qrels, limit)
    settings = load_settings()
    asker = Asker((*dict.fromkeys((PUBLIC, *principals)),), tenant)
    chosen = sorted(set(ks)) or list(GRID_KS if grid else KS)
    with bars() as start:
        if grid or documents is not None:
            given = None if documents is None else list(read_documents(documents))
            trials = try_private(settings, judged, given, asker, max(chosen), start, grid=grid)
        else:
            trials = [try_standing(settings, judged, asker, max(chosen), start)]
    measured = compare(judged, trials, chosen, seed)
    if per_question is not None:
        write_per_question(per_question, judged, trials, max(chosen))
    if as_json:
        for one in measured:
            click.echo(msgspec.json.encode(one))
    else:
        print_lines(make_console(), table_lines(measured))


@command.command("synthesize")
@_DOCUMENTS
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Where they go."
)
@click.option("--per-document", default=PER_DOCUMENT, show_default=True, type=click.IntRange(min=1), metavar="N")
@click.option("--seed", default=0, show_default=True, help="Chooses among a document's questions.")
@_AS
@_TENANT
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def make_questions(
    documents: str | None,
    out: Path,
    per_document: int,
    seed: int,
    principals: tuple[str, ...],
    tenant: str | None,
    as_json: bool,
) -> None:
    """Make questions from documents by templates: definitions, options, tasks, numbers, headings.

    Writes DIR/queries.jsonl and DIR/qrels.tsv. Each question names the document, the chunk and the sentence that
    answer it in its metadata. They are easier than those people ask: good for comparing settings, no promise.

    \b
    Example:
      millrace evaluate synthesize --documents docs.jsonl --out questions
    """
    settings = load_settings()
    principals = (*dict.fromkeys((PUBLIC, *principals)),)
    with bars() as start:
        step = start("documents", None)
        if documents is not None:
            sources = sources_of_documents(_counted(read_documents(documents), step), settings.index.chunk_characters)
        else:
            sources = sources_of_index(AgentStore(store_place(settings, "index")), principals, tenant)
        questions = synthesize(sources, seed=seed, per_document=per_document)
    if not questions:
        raise CommandError(*_nothing(documents), Exit.NOT_FOUND)
    told = write_judged(questions, out)
    click.echo(msgspec.json.encode(_outcome(questions, *told)) if as_json else _line(questions, *told))


def _counted(found: Iterable[Document], step: Step) -> Iterator[Document]:
    for document in found:
        yield document
        step()


def _nothing(documents: str | None) -> tuple[str, str]:
    if documents is None:
        told = "nothing in the standing index, as far as you may see it, makes a question"
        return told, "Send documents with `millrace produce documents FILE`, or name some with --documents."
    return (
        f"nothing in {documents} makes a question",
        "It needs sentences that define, or headings.",
    )


def _outcome(questions: Sequence[Question], queries: Path, qrels: Path) -> dict[str, object]:
    kinds = Counter(question.kind for question in questions)
    return {"questions": len(questions), "kinds": kinds, "queries": str(queries), "qrels": str(qrels)}


def _line(questions: Sequence[Question], queries: Path, qrels: Path) -> str:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in Counter(one.kind for one in questions).most_common())
    return f"{plural(len(questions), 'question')} ({kinds}) in {queries} and {qrels}"
