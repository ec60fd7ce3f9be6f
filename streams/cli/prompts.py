"""``millrace prompts``: what models are told, read, compared and tried."""

import asyncio
import difflib
from contextlib import aclosing
from dataclasses import replace

import click
import msgspec

from infra.settings import Settings
from models.naming import ModelName, UnknownWriterError
from models.ports import Completed, Completion, Decoding, Engine, WriteFailure
from models.prompting.prompts import Case, Prompt, PromptError, load_prompt, shipped_prompts
from models.prompting.trying import Verdict, judge_output
from streams.assemblies.models import build_engines
from streams.cli.context import load_settings
from streams.cli.errors import CommandError, Exit
from streams.cli.interrupts import interruptible
from streams.cli.render import printable

NAMES = "Name a shipped one (`millrace prompts list`) or the path of your own."


@click.group("prompts")
def command() -> None:
    """See what models are told, compare two of them, try one out."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One prompt a line.")
def list_(as_json: bool) -> None:
    """List the prompts that come with Millrace, and those your settings use.

    \b
    Example:
      millrace prompts list
    """
    settings = load_settings()
    used = _used(settings)
    names = [*shipped_prompts(), *(name for name in used if "/" in name or name.endswith(".md"))]
    for name in dict.fromkeys(names):
        prompt, where = _load(name), used.get(name, [])
        if as_json:
            told = {"name": name, "identity": prompt.identity, "about": prompt.about, "inputs": prompt.inputs}
            click.echo(msgspec.json.encode({**told, "cases": len(prompt.cases), "used_by": where}))
        else:
            click.echo(f"{name:<10}  {prompt.identity:<32}  {prompt.about}")
            if where:
                click.echo(f"{'':<10}  used by {' and '.join(where)}")


@command.command("show")
@click.argument("name", metavar="NAME|FILE")
@click.option("--rendered", is_flag=True, help="As a model is told it, with the first worked example as the question.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(name: str, rendered: bool, as_json: bool) -> None:
    """Show a prompt as it is written, or as a model is told it.

    \b
    Example:
      millrace prompts show summary --rendered
    """
    prompt = _load(name)
    messages = prompt.render(prompt.cases[0].inputs) if rendered and prompt.cases else ()
    if rendered and not messages:
        raise CommandError(f"prompt {name} has no worked example", "Add [[cases]] to its front matter.", Exit.USAGE)
    if as_json:
        turns = [{"role": one.role, "content": one.content} for one in messages]
        told = {"name": prompt.name, "version": prompt.version, "identity": prompt.identity, "source": prompt.source}
        click.echo(msgspec.json.encode({**told, "messages": turns} if rendered else told))
        return
    for message in messages:
        click.echo(f"[{message.role}]\n{message.content}\n")
    if not messages:
        click.echo(prompt.source, nl=False)


@command.command("diff")
@click.argument("one", metavar="NAME|FILE")
@click.argument("other", metavar="NAME|FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(one: str, other: str, as_json: bool) -> None:
    """Compare two prompts line by line. Exit 1: they differ.

    \b
    Example:
      millrace prompts diff summary my-summary.md
    """
    first, second = _load(one), _load(other)
    names = f"{one} ({first.identity})", f"{other} ({second.identity})"
    lines = list(difflib.unified_diff(first.source.splitlines(), second.source.splitlines(), *names, lineterm=""))
    if as_json:
        told = {"one": first.identity, "other": second.identity, "equal": not lines, "diff": lines}
        click.echo(msgspec.json.encode(told))
    else:
        click.echo("\n".join(lines) if lines else f"equal: {first.identity}")
    if lines:
        raise click.exceptions.Exit(Exit.FAILED)


@command.command("test")
@click.argument("name", metavar="NAME|FILE")
@click.option("--writer", metavar="WRITER", help="Also ask a model: openai:MODEL or local:FOLDER.")
@click.option("--json", "as_json", is_flag=True, help="One worked example a line.")
def test(name: str, writer: str | None, as_json: bool) -> None:
    """Try a prompt's worked examples: would what they show be taken, and what does a model say to them?

    Exit 1: something would be refused, or the model failed.

    \b
    Example:
      millrace prompts test summary
      millrace prompts test my-summary.md --writer openai:MODEL
    """
    prompt, settings = _load(name), load_settings()
    if not prompt.cases:
        raise CommandError(f"prompt {name} has no worked example", "Add [[cases]] to its front matter.", Exit.USAGE)
    failed = 0
    if writer is None:
        for number, case in enumerate(prompt.cases, start=1):
            failed += _tell(number, case.output, judge_output(prompt, case, case.output), as_json)
    else:
        with interruptible():
            failed = asyncio.run(_try_all(prompt, writer, settings, as_json))
    if failed:
        raise CommandError(f"{failed} of {len(prompt.cases)} worked examples would be refused", "See above why.")


async def _try_all(prompt: Prompt, writer: str, settings: Settings, as_json: bool) -> int:
    engines, failed = build_engines(settings, 1), 0
    try:
        engine = engines.get(_model(writer))
        for number, case in enumerate(prompt.cases, start=1):
            said = await _ask(engine, _without(prompt, case), case, engines.manner.decoding, watched=not as_json)
            if isinstance(said, WriteFailure):
                failed += _tell(number, None, Verdict("", (said.error,)), as_json)
            else:
                failed += _tell(number, said, judge_output(prompt, case, said), as_json, told_already=not as_json)
    except UnknownWriterError as error:
        raise CommandError(error.message, error.remedy, Exit.USAGE) from error
    finally:
        await engines.close()
    return failed


def _model(writer: str) -> ModelName:
    name = ModelName.parse(writer)
    if name.kind == "extractive":
        raise UnknownWriterError("the extractive writer takes no prompt", "Name openai:MODEL or local:FOLDER.")
    return name


def _without(prompt: Prompt, case: Case) -> Prompt:
    """Leave a case out of the examples: the model must not be told what it is asked."""
    return replace(prompt, cases=tuple(one for one in prompt.cases if one is not case))


async def _ask(engine: Engine, prompt: Prompt, case: Case, decoding: Decoding, *, watched: bool) -> str | WriteFailure:
    """Ask, and show what is said as it comes where a person waits."""
    completion = Completion(prompt.render(case.inputs), decoding, prompt.schema)
    async with aclosing(engine.stream(completion)) as pieces:  # type: ignore[type-var]  # an async generator
        async for piece in pieces:
            if isinstance(piece, Completed):
                if watched:
                    click.echo()
                return piece.text
            if isinstance(piece, WriteFailure):
                return piece
            if watched:
                click.echo(printable(piece) if piece.strip() else piece, nl=False)
    return WriteFailure("the model ended without a word", retryable=True, endpoint=True)


def _tell(number: int, said: str | None, verdict: Verdict, as_json: bool, *, told_already: bool = False) -> bool:
    """Print what became of one example; returns whether it would be refused."""
    refused = bool(verdict.reasons)
    if as_json:
        told = {"case": number, "said": said, "shown": verdict.shown, "refused": list(verdict.reasons)}
        click.echo(msgspec.json.encode(told))
        return refused
    if said is not None and not told_already:
        click.echo(said)
    shown = printable(verdict.shown) or "(nothing: it abstains)"
    click.echo(f"{number}. {'REFUSED' if refused else 'taken'}: {'' if refused else shown}".rstrip())
    for reason in verdict.reasons:
        click.echo(f"   {printable(reason)}")
    return refused


def _load(name: str) -> Prompt:
    try:
        return load_prompt(name)
    except PromptError as error:
        raise CommandError(str(error), NAMES, Exit.USAGE) from error


def _used(settings: Settings) -> dict[str, list[str]]:
    """Name the settings that use each prompt."""
    used: dict[str, list[str]] = {}
    told = {
        "writer.prompt": settings.writer.prompt,
        "writer.other_prompt": settings.writer.other_prompt,
        "answer.prompt": settings.answer.prompt,
    }
    for setting, name in told.items():
        if name is not None:
            used.setdefault(name, []).append(setting)
    return used
