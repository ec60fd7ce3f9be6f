import os
import subprocess
import sys

import pytest

from infra.slots import SlotTaken, slot_name, take_slot


def test_a_slot_is_one_processes_until_it_closes_it(tmp_path):
    with take_slot(tmp_path, "digest", 0), pytest.raises(SlotTaken, match=f"as process {os.getpid()}\\. Stop"):
        take_slot(tmp_path, "digest", 0)
    take_slot(tmp_path, "digest", 0).close()


def test_a_process_that_was_killed_holds_its_slot_no_more(tmp_path):
    held = (
        "from infra.slots import take_slot; import pathlib, sys; f = take_slot(pathlib.Path(sys.argv[1]), 'digest', 0)"
    )
    command = [sys.executable, "-c", f"{held}; print(flush=True); sys.stdin.read()", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with pytest.raises(SlotTaken, match=f"as process {other.pid}"):
            take_slot(tmp_path, "digest", 0)
        other.kill()
    take_slot(tmp_path, "digest", 0).close()


def test_slots_agents_and_homes_do_not_get_in_each_others_way(tmp_path):
    places = [
        (tmp_path, "digest", 0),
        (tmp_path, "digest", 1),
        (tmp_path, "summarize", 0),
        (tmp_path / "b", "digest", 0),
    ]
    for held in [take_slot(*place) for place in places]:
        held.close()
    assert len({slot_name(*place) for place in places}) == len(places)


def test_a_name_is_one_that_kafka_takes(tmp_path):
    name = slot_name(tmp_path / "ä ö/ü", "digest", 12)
    assert name.isascii()
    assert name.replace("-", "").isalnum()
