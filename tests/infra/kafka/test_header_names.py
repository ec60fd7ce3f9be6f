import inspect

import kafka.record.memory_records
import pytest
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition
from kafka.record.default_records import DefaultRecordBatch

from infra.kafka import header_names, stream_header_names

HERE = TopicPartition("t", 0)


class Bytes(str):
    """A header name that encodes to bytes which are no UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"bad\xff" + str.encode(self)


def batch(*records, base=0, producer=-1, transactional=False, compression=0) -> bytes:
    """Records of (value, header name), as a broker keeps them."""
    built = _DefaultRecordBatchBuilderPy(2, compression, transactional, producer, 0, 0, 1 << 20)
    for offset, (value, name) in enumerate(records):
        assert built.append(offset, 1_000, b"k", value, [("before", b"1"), (name, None), ("after", b"2")])
    data = bytearray(built.build())
    data[:8] = base.to_bytes(8, "big")  # not part of the checksum
    return bytes(data)


def read(data: bytes, start: int = 0, aborted=(), isolation=READ_UNCOMMITTED):
    """What aiokafka's consumer makes of a fetch, checksums checked."""
    records = fetcher.PartitionRecords(
        HERE, fetcher.MemoryRecords(data), list(aborted), start, None, None, True, isolation
    )
    return [(one.offset, one.value, [name for name, _ in one.headers]) for one in records], records.next_fetch_offset


@pytest.fixture(autouse=True)
def tolerant(monkeypatch):
    for module, name in (
        (fetcher, "MemoryRecords"),
        (fetcher, "PartitionRecords"),
        (kafka.record.memory_records, "DefaultRecordBatch"),
    ):
        monkeypatch.setattr(module, name, getattr(module, name))  # as it was, afterwards
    header_names.tolerate_names()
    stream_header_names.tolerate_names()


@pytest.mark.parametrize("compression", [0, _DefaultRecordBatchPy.CODEC_GZIP])
def test_records_around_a_name_that_is_no_utf8_are_read_whole_once_and_in_order(compression):
    first = batch((b"a", "fine"), (b"b", Bytes("x")), (b"c", "ü"), (b"d", Bytes("y")), compression=compression)
    data = first + batch((b"e", "fine"), (b"f", Bytes("z")), base=4, compression=compression)
    found, following = read(data)
    assert [(offset, value) for offset, value, _ in found] == list(enumerate([b"a", b"b", b"c", b"d", b"e", b"f"]))
    assert [names[1] for _, _, names in found] == ["fine", r"bad\xffx", "ü", r"bad\xffy", "fine", r"bad\xffz"]
    assert {(names[0], names[2]) for _, _, names in found} == {("before", "after")}
    assert following == 6
    assert read(data, start=3) == (found[3:], 6)


def abort_marker(base: int, producer: int) -> bytes:
    """What the broker writes at the end of a transaction that is taken back."""
    built = _DefaultRecordBatchBuilderPy(2, 0, True, producer, 0, 0, 1 << 20)
    assert built.append(0, 1_000, b"\0\0\0\0", b"", [])  # version 0, abort
    data = built.build()
    data[:8] = base.to_bytes(8, "big")
    data[22] |= _DefaultRecordBatchPy.CONTROL_MASK
    data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
    return bytes(data)


def test_transactions_that_were_taken_back_stay_so_when_a_batch_is_read_again():
    taken_back = {"producer": 7, "transactional": True}
    data = batch((b"gone", "x"), **taken_back) + abort_marker(1, 7) + batch((b"gone", "x"), base=2, **taken_back)
    data += batch((b"a", Bytes("x")), base=3) + batch((b"gone", "x"), base=4, **taken_back) + abort_marker(5, 7)
    data += batch((b"kept", "x"), base=6, **taken_back)
    found, following = read(data, aborted=[(7, 0), (7, 2)], isolation=READ_COMMITTED)
    assert [(offset, value) for offset, value, _ in found] == [(3, b"a"), (6, b"kept")]
    assert following == 7


def test_kafka_python_reads_them_too():
    data = batch((b"a", "fine"), (b"b", Bytes("x")), (b"c", "fine"))
    found = list(kafka.record.memory_records.MemoryRecords(data).next_batch())
    assert [(one.offset, one.value, one.headers[1][0]) for one in found] == [
        (0, b"a", "fine"),
        (1, b"b", r"bad\xffx"),
        (2, b"c", "fine"),
    ]


def test_what_is_overridden_is_still_what_it_was():
    def parameters(function) -> list[str]:
        return list(inspect.signature(function).parameters)

    own = stream_header_names._PartitionRecords.__mro__[1]
    assert parameters(own.__init__)[:5] == ["self", "tp", "records", "aborted_transactions", "fetch_offset"]
    unpacking = inspect.getsource(own._unpack_records)
    assert "if record.offset < self.next_fetch_offset:" in unpacking
    assert "self.next_fetch_offset = record.offset + 1" in unpacking
    assert "self._next_slice" in inspect.getsource(_MemoryRecordsPy.next_batch)
    for reader in (_DefaultRecordBatchPy._read_msg, DefaultRecordBatch._read_msg):
        source = inspect.getsource(reader)
        assert '.decode("utf-8")' in source
        assert source.count("self._pos =") == 1  # at the end: a record can be read a second time
