import gzip
import io
import json
import lzma
import sys

import pytest
import zstandard

from streams.cli.errors import CommandError
from streams.cli.sending.files import InputFile

LINES = b'{"a": 1}\n\n{"a": 2}\n'
PACKERS = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


def write(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    return InputFile(str(path))


@pytest.mark.parametrize("suffix", PACKERS)
def test_every_packing_gives_the_same_rows_and_the_same_content(tmp_path, suffix):
    file = write(tmp_path, f"rows.jsonl{suffix}", PACKERS[suffix](LINES))
    assert [(row.number, row.line, row.values) for row in file.rows()] == [(1, 1, {"a": 1}), (2, 3, {"a": 2})]
    assert file.content_hash == write(tmp_path, "plain.jsonl", LINES).content_hash
    assert file.bytes_read == file.bytes_total


def test_files_packed_in_several_pieces_are_read_whole(tmp_path):
    for suffix, pack in PACKERS.items():
        file = write(tmp_path, f"pieces.jsonl{suffix}", pack(LINES) + pack(LINES))
        assert len(list(file.rows())) == 4, suffix


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_a_damaged_file_is_told_after_its_good_rows(tmp_path, suffix):
    many = b"".join(json.dumps({"a": number, "b": f"{number * 7919}"}).encode() + b"\n" for number in range(50_000))
    packed = PACKERS[suffix](many)
    rows = write(tmp_path, f"cut.jsonl{suffix}", packed[: len(packed) // 2]).rows()
    with pytest.raises(CommandError, match=r"cut\.jsonl"):
        list(rows)


@pytest.mark.parametrize("line", [b"\xff\xfe", b"not json", b"[1]", b'"text"', b"[[1]]", b'{"a": "\\ud800"}', b"\x00"])
def test_a_line_that_is_no_object_spoils_only_itself(tmp_path, line):
    first, bad, *others = write(tmp_path, "mixed.jsonl", b'{"a": 0}\n' + line + b"\n" + LINES).rows()
    assert (bad.line, bad.problem.reason) == (2, "not_json")
    assert [row.values for row in (first, *others)] == [{"a": 0}, {"a": 1}, {"a": 2}]


def test_csv_cells_may_span_lines_and_lines_are_counted(tmp_path):
    data = '\ufeffid,text\n1,"two\nlines"\n\n2,"say ""hi"""\n3\n'.encode()
    rows = list(write(tmp_path, "rows.csv", data).rows(["id"]))
    assert [(row.number, row.values) for row in rows] == [
        (1, {"id": "1", "text": "two\nlines"}),
        (2, {"id": "2", "text": 'say "hi"'}),
        (3, {"id": "3"}),
    ]
    assert rows[0].line == 2


def test_a_missing_column_is_told_with_those_there_are(tmp_path):
    with pytest.raises(CommandError, match=r"no column stars.*It has: id, text"):
        list(write(tmp_path, "rows.csv", b"id,text\n1,x\n").rows(["id", "stars"]))


def test_bytes_that_are_no_utf8_in_csv_spoil_only_their_row(tmp_path):
    rows = list(write(tmp_path, "rows.csv", b"id,text\n1,\xff\n2,fine\n").rows())
    assert rows[1].values == {"id": "2", "text": "fine"}
    assert json.loads(rows[0].text)["id"] == "1"


def test_a_json_array_is_told_with_how_to_convert_it(tmp_path):
    with pytest.raises(CommandError, match="jq -c"):
        list(write(tmp_path, "rows.json", b'[{"a": 1}]').rows())


def test_standard_input_is_read_and_has_no_hash(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES)))
    file = InputFile("-")
    assert [row.values for row in file.rows()] == [{"a": 1}, {"a": 2}]
    assert file.content_hash is None
    assert InputFile("-", "csv").bytes_total is None


def test_an_empty_file_has_no_rows(tmp_path):
    assert list(write(tmp_path, "rows.jsonl", b"").rows()) == []
    assert list(write(tmp_path, "rows.csv", b"").rows()) == []
