import subprocess
import sys

import click
import pytest

from infra.errors import BrokerUnreachable
from streams.__main__ import run
from streams.cli import errors, root
from streams.cli.root import COMMANDS


@pytest.fixture
def failing(monkeypatch):
    """Make ``millrace down`` a command that fails as told."""

    def put(error):
        @click.command()
        def command():
            raise error

        monkeypatch.setattr(root.importlib, "import_module", lambda name: type("module", (), {"command": command}))

    return put


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BrokerUnreachable("kafka:9092"), 1),
        (errors.CommandError("no such product", "Look.", errors.Exit.NOT_FOUND), 5),
        (errors.CommandError("too slow", "Wait.", errors.Exit.TIMED_OUT), 4),
        (click.UsageError("what?"), 2),
        (KeyboardInterrupt(), 130),
        (RuntimeError("two\nlines"), 1),
        (SystemExit(3), 3),
    ],
)
def test_a_failure_has_its_exit_code(failing, error, code):
    failing(error)
    assert run(["down"]) == code


def test_an_error_is_one_line_with_the_remedy(failing, capsys):
    failing(BrokerUnreachable("kafka:9092"))
    run(["down"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "no Kafka broker answers at kafka:9092" in line
    assert "millrace up" in line


@pytest.mark.parametrize("arguments", [["-v", "down"], ["down", "-v"], ["down", "--verbose"]])
def test_verbose_shows_the_trace(failing, capsys, arguments):
    failing(RuntimeError("inside"))
    run(arguments)
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "-v for the trace" not in told
    run(["down"])
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "-v for the trace" in told


def test_an_unknown_command_is_answered_with_the_nearest(capsys):
    assert run(["summary"]) == 2
    assert "Did you mean summaries?" in capsys.readouterr().err


def test_the_help_names_every_command_and_imports_nothing_heavy():
    script = "import sys; from streams.__main__ import run; code = run(['--help']); print(*sys.modules); sys.exit(code)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert all(name in told for name in COMMANDS)
    loaded = told.splitlines()[-1].split()
    assert not {"numpy", "faust", "sqlalchemy", "kafka", "aiokafka", "rich", "structlog"} & set(loaded)
