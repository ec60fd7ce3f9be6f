"""The ``millrace`` command: a table of names and one-line helps; a command's module loads when it is used."""

import importlib
import os
from collections.abc import Mapping

import click

COMMANDS: Mapping[str, str] = {
    "up": "Start Kafka, create the topics, start the workers.",
    "down": "Stop what `up` started.",
    "status": "Show how each part is doing: lag, freshness, last error.",
    "demo": "Watch invented reviews become summaries, then clean up.",
    "produce": "Send your own records: jsonl or csv, compressed or not.",
    "wait": "Wait until everything produced so far is in the results.",
    "summaries": "Read the standing summaries.",
    "search": "Find what fits a question, with the sentence to quote.",
    "ask": "Have a question answered from the documents, with sources.",
    "features": "Read features; see what stands, and whether it is right.",
    "index": "See whether what can be searched is right; make it anew.",
    "erase": "Forget a review everywhere, with a receipt.",
    "prompts": "See what models are told; compare and try prompts.",
    "usage": "See what models were asked for, and what it cost.",
    "gateway": "Serve features over HTTP.",
    "dead-letters": "Read what could not be taken, and why.",
    "topics": "Create and list the Kafka topics.",
    "schema": "Write the topics' contracts: JSON Schema and AsyncAPI.",
    "fences": "Show how far each agent has read; start it over.",
    "worker": "Run agents in the foreground.",
    "simulate": "Invent reviews with a known truth.",
    "evaluate": "Measure how well documents are found.",
    "bench": "Measure speed and quality.",
    "config": "Write and show the settings.",
}


class Commands(click.Group):
    """Finds commands by name in this folder and gives each the options all have."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name them in the order people need them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command's module."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"streams.cli.{cmd_name.replace('-', '_')}").command
        command.name = cmd_name
        _give_common_options(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without loading any: the help comes in a quarter of a second."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else " See `millrace --help`."
            ctx.fail(f"there is no command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


def _choose_log_format(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None:
        os.environ["MILLRACE_LOG_FORMAT"] = value  # workers are processes of their own and inherit it


def _choose_verbosity(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.find_root().meta["verbose"] = True


def _common_options() -> list[click.Option]:
    return [
        click.Option(
            ["--log-format"],
            type=click.Choice(["console", "json"]),
            expose_value=False,
            callback=_choose_log_format,
            help="How log lines on stderr look.",
        ),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            expose_value=False,
            callback=_choose_verbosity,
            help="On failure show the whole trace.",
        ),
    ]


def _give_common_options(command: click.Command) -> None:
    names = {name for parameter in command.params for name in parameter.opts}
    command.params += [option for option in _common_options() if not names & set(option.opts)]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _give_common_options(inner)


@click.command(
    cls=Commands,
    params=[*_common_options()],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: millrace up --detach && millrace produce reviews FILE && millrace summaries",
)
@click.version_option(package_name="millrace", prog_name="millrace")
def root() -> None:
    """Streams of reviews become standing summaries, always current."""
