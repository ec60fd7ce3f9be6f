import fcntl
import subprocess
import sys

import pytest

from models.minilm.cached_file import build_once

BUILDER = """
import sys
from pathlib import Path
from models.minilm.cached_file import build_once
folder = Path(sys.argv[1])

def build():
    with (folder / "builds").open("a") as log:
        log.write("built\\n")
    say("building")
    sys.stdin.readline()
    return b"graph"

def say(word):
    sys.stdout.write(word + "\\n")
    sys.stdout.flush()

say("asking")
build_once(folder / "graph.onnx", build)
"""


def forbidden():
    raise AssertionError("built although it was there")


def test_a_file_is_built_once(tmp_path):
    path = tmp_path / "new" / "graph.onnx"
    build_once(path, lambda: b"graph")
    build_once(path, forbidden)
    assert path.read_bytes() == b"graph"


@pytest.mark.parametrize("damage", ["shortened", "changed", "emptied", "removed", "record removed"])
def test_a_damaged_file_is_built_again(tmp_path, damage):
    path = tmp_path / "graph.onnx"
    build_once(path, lambda: b"graph")
    match damage:
        case "removed":
            path.unlink()
        case "record removed":
            path.with_name("graph.onnx.sha256").unlink()
        case _:
            path.write_bytes({"shortened": b"gra", "changed": b"grapf", "emptied": b""}[damage])
    build_once(path, lambda: b"again")
    assert path.read_bytes() == b"again"
    build_once(path, forbidden)


def test_a_build_that_fails_leaves_nothing_and_frees_the_lock(tmp_path):
    path = tmp_path / "graph.onnx"
    with pytest.raises(AssertionError):
        build_once(path, forbidden)
    assert not path.exists()
    build_once(path, lambda: b"graph")
    assert path.read_bytes() == b"graph"


def test_while_a_file_is_built_nobody_else_gets_its_lock(tmp_path):
    def build():
        with (tmp_path / "graph.onnx.lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return b"graph"

    build_once(tmp_path / "graph.onnx", build)
    assert (tmp_path / "graph.onnx").read_bytes() == b"graph"


def start(folder):
    command = [sys.executable, "-c", BUILDER, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_of_two_processes_that_ask_at_once_one_builds(tmp_path):
    with start(tmp_path) as first:
        assert [first.stdout.readline(), first.stdout.readline()] == ["asking\n", "building\n"]
        with start(tmp_path) as second:
            assert second.stdout.readline() == "asking\n"
            second.stdin.write("\n")  # were there no lock, it would build now
            second.stdin.flush()
            first.communicate("\n", timeout=60)
            assert second.communicate(timeout=60) == ("", None)
    assert (first.returncode, second.returncode) == (0, 0)
    assert (tmp_path / "builds").read_text() == "built\n"
    assert (tmp_path / "graph.onnx").read_bytes() == b"graph"


def test_a_builder_that_is_killed_leaves_the_next_one_to_build(tmp_path):
    with start(tmp_path) as first:
        assert [first.stdout.readline(), first.stdout.readline()] == ["asking\n", "building\n"]
        first.kill()
    build_once(tmp_path / "graph.onnx", lambda: b"graph")
    assert (tmp_path / "graph.onnx").read_bytes() == b"graph"
