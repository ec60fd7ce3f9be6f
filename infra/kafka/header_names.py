"""Names of Kafka headers that are no UTF-8.

Kafka's protocol wants UTF-8, and its brokers do not look. Both of our clients raise in the middle of a
batch, before anybody knows the record's offset: the partition would stand still for ever. Here such a
record is read again, with what is no UTF-8 spelled out (``bad\\xff``).

Stands on private names of both; ``tests/infra/kafka/test_header_names.py`` fails when they move.
"""

from typing import Any, SupportsIndex

import kafka.record.memory_records
from kafka.record.default_records import DefaultRecordBatch


class _Spelled(bytearray):
    """Bytes that are text in any case."""

    def __getitem__(self, where: SupportsIndex | slice) -> Any:
        found = super().__getitem__(where)
        return _Spelled(found) if isinstance(found, bytearray) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return super().decode(encoding, "backslashreplace")


class Patient:
    """Reads a record a second time when a name in it is no UTF-8; mix it into either client's batch in pure Python."""

    _buffer: bytearray

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()  # type: ignore[misc]  # of both clients' batches
        except UnicodeDecodeError:
            self._buffer = _Spelled(self._buffer)
            return super()._read_msg()  # type: ignore[misc]


class _PatientBatch(Patient, DefaultRecordBatch):  # type: ignore[misc]  # kafka-python is not typed
    """One batch of kafka-python."""


def tolerate_names() -> None:
    """Let kafka-python read every header name, in this process and from now on."""
    kafka.record.memory_records.DefaultRecordBatch = _PatientBatch
