"""Feature functions in a process of their own: limited in time, and nothing they do reaches anybody else."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from processors.features.serving.ports import Call, Failed, Made
from streams.functions.frames import Channel
from streams.functions.function_pool import FunctionPool
from streams.functions.function_process import FunctionProcess, FunctionsUnusable

LIMIT_S = 0.5
DEADLINE_S = 20
MODULE = """
import os, subprocess, sys, time
from datetime import datetime
from processors.features import FeatureFunction, FeatureSpec

def loud(x: float) -> float:
    print("noise")
    os.write(1, b"more noise")
    subprocess.run(["echo", "and more"])
    return x * 2

def endless(x: float) -> float:
    while x > 10:
        pass
    return x

def deadly(x: float) -> float:
    if x > 10:
        os._exit(3)
    return 1 / x

def lasting(x: float) -> float:
    with open("lasting.txt", "w") as told:
        told.write(f"{os.getpid()}\\n")
    while True:
        pass

def when(at: datetime | None) -> str:
    return at.isoformat()

def process(x: float) -> int:
    return os.getpid()

def leaves(x: float) -> float:
    raise SystemExit("I am off")

spec = FeatureSpec("spec", [FeatureFunction(one, one.__name__ + "_out") for one in
                            (loud, endless, deadly, lasting, when, process, leaves)])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("functions")
    (folder / "user_functions.py").write_text(MODULE)
    (folder / "broken_functions.py").write_text("x = 1\nraise RuntimeError('no database')\n")
    return folder


@pytest.fixture
def pool(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with closing(FunctionPool("user_functions", LIMIT_S)) as pool:
        pool.start()
        yield pool


def call(name, x):
    return Call("spec", f"{name}_out", {"x": float(x)})


def slow(name):
    return Failed("function_too_slow", "A function took too long", f"function {name} took longer than 0.5 s")


def test_results_come_back_in_the_order_of_the_calls(pool):
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    results = pool.call([call("loud", 2), Call("spec", "when_out", {"at": at}), call("endless", 1)])
    assert results == [Made(4.0), Made("2026-01-31T12:00:00+00:00"), Made(1.0)]


def test_what_functions_print_is_no_answer(pool):
    assert pool.call([call("loud", x) for x in range(20)]) == [Made(x * 2.0) for x in range(20)]


def test_an_exception_is_told_with_its_type_and_the_others_are_called(pool):
    results = pool.call(
        [call("deadly", 0), call("deadly", 2), Call("spec", "when_out", {"at": None}), call("leaves", 1)]
    )
    assert [one.detail if isinstance(one, Failed) else one.value for one in results] == [
        "function deadly_out: ZeroDivisionError: float division by zero",
        0.5,
        "function when_out: AttributeError: 'NoneType' object has no attribute 'isoformat'",
        "function leaves_out: SystemExit: I am off",
    ]


def test_a_function_that_takes_too_long_costs_its_record_alone(pool):
    before = pool.call([call("process", 1)])
    assert pool.call([call("loud", 1), call("endless", 11), call("loud", 3)]) == [
        Made(2.0),
        slow("endless_out"),
        Made(6.0),
    ]
    assert pool.call([call("process", 1)]) != before


def test_a_function_that_is_always_too_slow_does_not_hold_a_request_for_ever(pool):
    results = pool.call([*(call("endless", 11) for _ in range(50)), call("loud", 1)])
    assert results[:3] == [slow("endless_out")] * 3
    assert {one.detail for one in results[3:-1]} == {
        "function endless_out took longer than 0.5 s; not called again in this request"
    }
    assert results[-1] == Made(2.0)


def test_a_function_that_ends_its_process_costs_its_record_alone(pool):
    results = pool.call([call("deadly", 11), call("deadly", 2)])
    assert results[0].kind == "function_failed"
    assert "it ended its process" in results[0].detail
    assert results[1] == Made(0.5)


def test_a_process_that_died_while_idle_is_started_again(pool):
    pid = pool.call([call("process", 1)])[0].value
    os.kill(pid, signal.SIGKILL)
    await_end(pid)
    assert pool.call([call("loud", 1)]) == [Made(2.0)]


def test_whoever_is_interrupted_leaves_no_answers_for_the_next(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with closing(FunctionProcess("user_functions", LIMIT_S)) as process:
        process.start()

        def interrupted(*_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Channel, "receive", interrupted)
            process.call([call("loud", 1)])
        assert process.call([call("loud", 5)]) == [Made(10.0)]


def test_many_threads_get_their_own_answers(pool):
    wrong = []

    def ask(number):
        for x in range(1, 21):
            told = pool.call([call("endless", number / 10), call("deadly", x / 2)])
            wrong.extend([number] if told != [Made(number / 10), Made(2 / x)] else [])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_a_module_that_cannot_be_loaded_is_told_with_its_line(folder, monkeypatch):
    monkeypatch.chdir(folder)
    told = pytest.raises(FunctionsUnusable, match=r"broken_functions.py:2: RuntimeError: no database")
    with closing(FunctionPool("broken_functions", LIMIT_S)) as pool, told:
        pool.start()


def test_after_the_end_nothing_is_called(folder, monkeypatch):
    monkeypatch.chdir(folder)
    pool = FunctionPool("user_functions", LIMIT_S)
    pool.close()
    with pytest.raises(FunctionsUnusable, match="about to end"):
        pool.call([call("loud", 1)])


OWNER = """
from processors.features.serving.ports import Call
from streams.functions.function_pool import FunctionPool
FunctionPool("user_functions", 600, count=1).call([Call("spec", "lasting_out", {"x": 1.0})])
"""


def test_a_process_ends_with_its_owner_in_the_middle_of_a_function(folder):
    told = folder / "lasting.txt"
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=folder)
    wait_for(lambda: told.exists() and told.read_text().endswith("\n"), "the function was not called")
    pid = int(told.read_text())
    assert alive(pid)
    owner.kill()
    owner.wait()
    try:
        await_end(pid)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_end(pid):
    wait_for(lambda: not alive(pid), "it still runs")


def wait_for(condition, otherwise):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.01)
