"""``millrace COMMAND``, which is ``python -m streams COMMAND``."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from infra.errors import InfraError
from streams.cli.errors import CommandError, Exit
from streams.cli.root import root


def main() -> None:
    """Run the command line and exit with its code, which one more Ctrl-C does not change any more."""
    code = run(sys.argv[1:])
    if code == Exit.INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; what goes wrong is told in one line.

    Args:
        arguments: Without the program's name.
    """
    context: dict[str, bool] = {}
    try:
        with root.make_context("millrace", list(arguments)) as ctx:
            context = ctx.meta
            root.invoke(ctx)
            return Exit.DONE
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else Exit.DONE if ending.code is None else Exit.FAILED
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "millrace"
        _say(f"{error.format_message()} See `{where} --help`.")
        return error.exit_code
    except BrokenPipeError:  # the reader had enough, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last place to tell a person
        return _tell(error, verbose=context.get("verbose", False))


def _tell(error: Exception, *, verbose: bool) -> int:
    if verbose:
        traceback.print_exception(error)
    if isinstance(error, InfraError):
        _say(str(error))
        return error.code if isinstance(error, CommandError) else Exit.FAILED
    _say(f"unexpected {type(error).__name__}: {error}. " + ("" if verbose else "Run it again with -v for the trace."))
    return Exit.FAILED


def _say(line: str) -> None:
    click.echo(f"{click.style('error:', fg='red')} {' '.join(line.split())}", err=True)


if __name__ == "__main__":
    main()
