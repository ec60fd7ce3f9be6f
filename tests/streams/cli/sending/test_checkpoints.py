from pathlib import Path

import pytest

from infra.kafka.admin import TopicIdentity
from infra.kafka.producer import Receipt
from streams.cli.errors import CommandError
from streams.cli.sending import checkpoints as keeping
from streams.cli.sending.checkpoints import CheckpointFile, Journal, LineFile, holds, run_name
from streams.cli.sending.files import InputFile

TOPIC = TopicIdentity("cluster", "topic", 8)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "receipts", tmp_path / "rejects"


@pytest.fixture
def checkpoints(tmp_path: Path) -> CheckpointFile:
    return CheckpointFile(tmp_path / "home", "run")


def send(journal: Journal, *fates: str, first: int = 0) -> None:
    """Take rows: ``-`` is rejected, ``.`` waits for ever, anything else is confirmed."""
    number = first
    for fate in fates:
        if fate == "-":
            journal.frontier.rejected(f"no {journal.frontier._row}")
            continue
        journal.frontier.sent()
        if fate != ".":
            journal.frontier.confirmed(number, Receipt("t", 0, int(fate)))
        number += 1


def interrupted(checkpoints: CheckpointFile, files: tuple[Path, Path], *fates: str) -> None:
    journal = Journal(checkpoints, None, *files)
    send(journal, *fates)
    journal.close(complete=False)


def test_a_run_that_goes_on_ends_with_the_files_of_an_uninterrupted_one(checkpoints, files):
    interrupted(checkpoints, files, "10", "-", ".", "12")
    before = checkpoints.read()
    assert (before.rows, before.rejected) == (2, 1)
    journal = Journal(checkpoints, before, *files)
    assert (journal.resumed_at, journal.rejected) == (2, 1)
    send(journal, "21", "22", "-")
    journal.close(complete=True)
    assert files[0].read_text().splitlines() == ["t:0:10", "t:0:21", "t:0:22"]
    assert files[1].read_text().splitlines() == ["no 1", "no 4"]
    assert journal.rejected == 2
    assert checkpoints.read() is None


def test_lines_written_after_the_last_checkpoint_are_taken_back(checkpoints, files):
    interrupted(checkpoints, files, "10", "-")
    for file in files:
        with file.open("a") as killed:
            killed.write("t:0:11\nt:0:1")  # the kill came in the middle of a line
    before = checkpoints.read()
    assert all(holds(path, kept) for path, kept in zip(files, (before.receipts, before.rejects), strict=True))
    journal = Journal(checkpoints, before, *files)
    send(journal, "21")
    journal.close(complete=True)
    assert files[0].read_text().splitlines() == ["t:0:10", "t:0:21"]
    assert files[1].read_text().splitlines() == ["no 1"]


@pytest.mark.parametrize("changed", ["missing", "shorter", "other", "never asked for"])
def test_a_file_that_does_not_hold_what_was_settled_is_noticed(checkpoints, files, changed):
    interrupted(checkpoints, (None if changed == "never asked for" else files[0], files[1]), "10", "11")
    if changed == "missing":
        files[0].unlink()
    elif changed == "shorter":
        files[0].write_text("t:0:10\n")
    elif changed == "other":
        files[0].write_text("t:0:10\nt:0:77\n")
    assert not holds(files[0], checkpoints.read().receipts)


def test_what_is_no_file_on_a_disk_holds_everything_and_is_written_to(checkpoints):
    nowhere = Path("/dev/null")
    interrupted(checkpoints, (nowhere, None), "10")
    before = checkpoints.read()
    assert before.receipts is None
    assert holds(nowhere, before.receipts)
    journal = Journal(checkpoints, before, nowhere, None)
    send(journal, "11")
    journal.close(complete=True)


def test_the_checkpoint_is_rewritten_now_and_then_and_never_when_nothing_moved(checkpoints, files, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(keeping.time, "monotonic", lambda: clock[0])
    journal = Journal(checkpoints, None, *files)
    written = []
    monkeypatch.setattr(checkpoints, "write", lambda checkpoint: written.append((clock[0], checkpoint.rows)))
    for step in range(40):
        if step < 20:
            send(journal, str(step), first=step)
        journal.keep()
        clock[0] += 0.125
    journal.close(complete=False)
    assert written == [(101.0, 9), (102.0, 17), (103.0, 20)]
    assert files[0].read_text().count("\n") == 20


def test_without_a_checkpoint_receipts_are_written_all_the_same(files):
    journal = Journal(None, None, *files)
    send(journal, "10", "-")
    journal.close(complete=False)
    assert (files[0].read_text(), files[1].read_text()) == ("t:0:10\n", "no 1\n")
    assert "send the same records again" in journal.remedy()


def test_a_checkpoint_that_cannot_be_written_is_told_once_and_sending_goes_on(tmp_path, capsys):
    (tmp_path / "home").write_text("a file, no folder")
    checkpoints = CheckpointFile(tmp_path / "home", "run")
    for rows in ("10", "11"):
        journal = Journal(checkpoints, None, None, None)
        send(journal, rows)
        journal.close(complete=False)
    assert capsys.readouterr().err.count("cannot keep") == 1


def test_a_damaged_checkpoint_counts_for_none_and_says_so(checkpoints, files, tmp_path, capsys):
    interrupted(checkpoints, files, "10")
    (tmp_path / "home" / "produce" / "run.json").write_bytes(b'{"rows": 1')
    assert checkpoints.read() is None
    assert "cannot be read" in capsys.readouterr().err


def test_a_complete_run_leaves_nothing_behind(checkpoints, files, tmp_path):
    interrupted(checkpoints, files, "10")
    Journal(checkpoints, checkpoints.read(), *files).close(complete=True)
    assert not (tmp_path / "home" / "produce").exists()


def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path):
    with pytest.raises(CommandError, match="cannot write"):
        LineFile(tmp_path / "nowhere" / "receipts")


def test_a_run_is_named_by_what_it_sends_and_where_to(tmp_path):
    one, same, other = (tmp_path / name for name in ("one.jsonl", "same.jsonl", "other.jsonl"))
    one.write_text("{}")
    same.write_text("{}")
    other.write_text("{} ")

    def name(*paths, kind="reviews", columns=(), topic=TOPIC, form=None):
        return run_name([InputFile(str(path), form) for path in paths], kind, dict(columns), topic)

    assert name(one) == name(same)
    assert name(one, columns=[("a", "x"), ("b", "y")]) == name(one, columns=[("b", "y"), ("a", "x")])
    different = [
        name(one),
        name(other),
        name(one, other),
        name(other, one),
        name(one, kind="events"),
        name(one, columns=[("text", "body")]),
        name(one, form="csv"),
        name(one, topic=TopicIdentity("other", "topic", 8)),
        name(one, topic=TopicIdentity("cluster", "recreated", 8)),
    ]
    assert len(set(different)) == len(different)


def test_what_can_be_read_only_once_has_no_checkpoint(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("{}")
    assert run_name([InputFile(str(file)), InputFile("-")], "reviews", {}, TOPIC) is None
    assert run_name([InputFile("/dev/null")], "reviews", {}, TOPIC) is None
