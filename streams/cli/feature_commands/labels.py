"""Labels of training sets: rows of a file with a time and what a spec needs, held to both."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.plain_values import NotPlain, plain
from processors.features.definitions.serving import FeatureSpec
from processors.features.records import microseconds, moment
from schemas.records import Unreadable
from streams.cli.errors import CommandError, Exit
from streams.cli.sending.files import FoundRow, InputFile
from streams.cli.sending.kinds import MILLISECONDS_FROM
from streams.features.training_sets import ERROR, INCOMPLETE, Label

BATCH = 10_000
"""Rows of a Parquet file read at a time."""


class ParquetLabels:
    """Rows of a Parquet file, as ``InputFile`` tells those of others.

    Args:
        name: Its path.
    """

    form = "parquet"

    def __init__(self, name: str) -> None:
        self.name = name
        self.bytes_total: int | None = Path(name).stat().st_size
        self._share = 0.0

    @property
    def bytes_read(self) -> int:
        """How much of the file is behind us, by its rows."""
        return int(self._share * (self.bytes_total or 0))

    def rows(self, columns: Collection[str] = ()) -> Iterator[FoundRow]:
        """Read row by row.

        Args:
            columns: Those it must have.

        Raises:
            CommandError: If the file is damaged, or lacks a column.
        """
        import pyarrow as pa  # here: only such files need it
        from pyarrow import parquet

        number = 0
        try:
            with parquet.ParquetFile(self.name) as file:
                self._check(columns, file.schema_arrow.names)
                for batch in file.iter_batches(BATCH):
                    for values in batch.to_pylist():
                        number += 1
                        yield FoundRow(number, number, values, None)
                    self._share = number / file.metadata.num_rows
        except (pa.ArrowException, OSError) as error:
            raise CommandError(f"{self.name} cannot be read: {error}", "Is it whole, and of Parquet?") from error

    def _check(self, wanted: Collection[str], known: Collection[str]) -> None:
        missing = sorted(set(wanted) - set(known))
        if missing:
            raise CommandError(f"{self.name} has no column {', '.join(missing)}", f"It has: {', '.join(known)}")


LabelFile = InputFile | ParquetLabels


def open_labels(name: str) -> LabelFile:
    """Choose how a file is read, by its name."""
    return ParquetLabels(name) if Path(name).suffix == ".parquet" else InputFile(name)


class Labels:
    """Turns rows into labels.

    Args:
        spec: What they are for.
        time_column: Where their times are.
        texts: Whether all values are texts, as in csv: those that functions want as numbers become numbers.
    """

    def __init__(self, spec: FeatureSpec, time_column: str, *, texts: bool) -> None:
        self._spec = spec
        self._time_column = time_column
        self._texts = texts
        self._taken = {*spec.outputs, INCOMPLETE, ERROR}
        self._readers = _readers(spec) if texts else {}

    @property
    def columns(self) -> list[str]:
        """Columns a file must have."""
        return [*self._spec.required, self._time_column]

    def label(self, values: Mapping[str, Any]) -> Label:
        """Make the label of a row.

        Raises:
            Unreadable: If it has no time, or lacks what the spec needs.
            CommandError: If a column has the name of an output.
        """
        self._check_names(values)
        columns = {name: self._plain(name, value) for name, value in values.items()}
        at_us = self._time(values.get(self._time_column))
        columns[self._time_column] = moment(at_us)
        record = {
            name: self._readers[name](columns[name]) if name in self._readers else columns[name]
            for name in self._spec.inputs
            if name in columns and (columns[name] is not None or name in self._spec.required)
        }
        missing = [name for name in self._spec.required if name not in record]
        if missing:
            raise Unreadable("missing_field", f"{', '.join(missing)}: missing", missing[0])
        return Label(at_us, record, columns)

    def guessed(self, label: Label) -> list[str]:
        """Name the columns of texts that may be numbers: not those of keys, where 007 is not 7."""
        if not self._texts:
            return []
        keys = {name for lookup in self._spec.lookups for name in lookup.inputs}
        return [name for name in label.columns if name not in keys and name != self._time_column]

    def _check_names(self, values: Mapping[str, Any]) -> None:
        twice = next((name for name in values if name in self._taken), None)
        if twice is not None:
            told = f"the labels have a column {twice!r}, which the training set makes itself"
            raise CommandError(told, "Rename the column in the labels.", Exit.USAGE)

    def _plain(self, name: str, value: Any) -> Any:
        if value == "" and self._texts:
            return None
        if name == self._time_column or isinstance(value, list | dict):
            return None if name == self._time_column else value
        try:
            return plain(value)
        except NotPlain as error:
            raise Unreadable("wrong_type", f"{name}: {error}", name) from error

    def _time(self, value: Any) -> int:
        name = self._time_column
        if value is None or value == "":
            raise Unreadable("missing_field", f"{name}: missing; every label needs its time", name)
        try:
            return _microseconds(value)
        except (ValueError, TypeError, OverflowError, OSError) as error:
            told = f"{name}: {str(value)[:60]!r} is no time; write 2026-01-31T12:00:00Z, or unix seconds"
            raise Unreadable("wrong_type", told, name) from error


def _microseconds(value: Any) -> int:
    """Read a time as `produce` does: without zone it is UTC; a large number is milliseconds."""
    if isinstance(value, bool):
        raise TypeError("a truth value is no time")
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = datetime.fromisoformat(value)
    if isinstance(value, int | float):
        seconds = value / 1000 if abs(value) > MILLISECONDS_FROM else value
        value = datetime.fromtimestamp(seconds, UTC)
    return microseconds(value if value.tzinfo is not None else value.replace(tzinfo=UTC))


def _readers(spec: FeatureSpec) -> dict[str, Callable[[Any], Any]]:
    """Tell how texts of csv become what functions ask for; what does not stays a text, and the function's error."""
    kinds: dict[str, set[type]] = {}
    for function in spec.functions.values():
        for one in function.parameters:
            kinds.setdefault(one.source, set()).add(one.kind)
    for lookup in spec.lookups:
        for name in lookup.inputs:
            kinds.setdefault(name, set()).add(str)
    readers: dict[str, Callable[[Any], Any]] = {}
    for name, wanted in kinds.items():
        if bool in wanted:
            readers[name] = lambda text: {"true": True, "false": False}.get(str(text).lower(), text)
        elif wanted & {int, float} and str not in wanted:
            readers[name] = _number
    return readers


def _number(text: Any) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return text
