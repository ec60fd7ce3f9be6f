import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.crashing import POINTS, VARIABLE, crash_points

STREAMS = Path(__file__).parents[2] / "streams"


@pytest.fixture
def sent(monkeypatch):
    signals: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: signals.append(number))
    return signals


def test_nothing_happens_unless_the_environment_names_a_point(sent):
    for name in POINTS:
        crash_points({})(name)
    assert sent == []


def test_the_process_is_killed_at_the_named_point_and_only_there(sent):
    crash = crash_points({VARIABLE: "after_commit"})
    crash("after_decide")
    assert sent == []
    crash("after_commit")
    assert sent == [signal.SIGKILL]


def test_a_later_passing_and_another_signal_can_be_named(sent):
    crash = crash_points({VARIABLE: "after_commit:3:STOP"})
    for _ in range(5):
        crash("after_commit")
    assert sent == [signal.SIGSTOP]


def test_an_unknown_point_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"after_tea: no such crash point; known: after_decide, "):
        crash_points({VARIABLE: "after_tea"})


def test_every_named_point_is_passed_somewhere_and_no_other_is():
    passed = set()
    for path in STREAMS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"crash", "self._crash"}:
                passed.add(ast.literal_eval(node.args[0]))
    assert passed == set(POINTS)


def test_a_killed_process_is_really_gone():
    code = (
        "from streams.crashing import crash_points; crash_points({'%s': 'before_done'})('before_done'); print('alive')"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code % VARIABLE], capture_output=True, check=False, cwd=STREAMS.parent
    )
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, b"")
