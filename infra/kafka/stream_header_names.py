"""Names of Kafka headers that are no UTF-8, for aiokafka; see ``infra/kafka/header_names.py``.

Its compiled reader cannot be told how to decode. So a fetch that it stumbles over is read again from that
record on, by aiokafka's own reader in pure Python: slowly, but this fetch only.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

from infra.kafka.header_names import Patient


class _PatientBatch(Patient, _DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka is not typed
    """One batch in pure Python."""


class _PatientRecords(_MemoryRecordsPy):  # type: ignore[misc]
    """A fetch in pure Python."""

    def next_batch(self) -> Any:
        here = self._next_slice
        if here is None or here[self.MAGIC_OFFSET] < 2:  # older batches have no headers
            return super().next_batch()
        self._cache_next()
        return _PatientBatch(here)


class _Records:
    """A fetch as aiokafka's compiled code reads it, with its bytes kept."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        compiled = MemoryRecords(data)
        self.size_in_bytes = compiled.size_in_bytes
        self.has_next = compiled.has_next
        self.next_batch = compiled.next_batch


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """One partition's part of a fetch; goes on slowly from the first name that is no UTF-8."""

    _records: Any
    _aborted_transactions: list[Any]
    _aborted_producers: set[int]

    def __init__(self, tp: Any, records: _Records, aborted_transactions: Any, *rest: Any) -> None:
        super().__init__(tp, records, aborted_transactions, *rest)
        self._aborted_at_first = list(self._aborted_transactions)

    def _unpack_records(self) -> Iterator[Any]:
        try:
            yield from super()._unpack_records()
        except UnicodeDecodeError:  # records below next_fetch_offset are skipped
            self._records = _PatientRecords(self._records.data)
            self._aborted_transactions, self._aborted_producers = self._aborted_at_first, set()
            yield from super()._unpack_records()


def tolerate_names() -> None:
    """Let aiokafka read every header name, in this process and from now on."""
    fetcher.MemoryRecords = _Records
    fetcher.PartitionRecords = _PartitionRecords
