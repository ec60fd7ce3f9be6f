"""Feature functions: a user's Python function, computed for each request from inputs, lookups and other functions."""

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Union, get_args, get_origin, get_type_hints

from processors.features.definitions.faults import Place, WrongDefinition, written_at
from processors.features.definitions.names import check_input
from processors.features.definitions.tables import check_name

KINDS: tuple[type, ...] = (str, int, float, bool, datetime)
"""Types an argument may have, each also with ``| None``."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a function.

    Args:
        name: As the function calls it.
        source: The input or output it gets.
        kind: One of ``KINDS``.
        nullable: Whether it may be None.
        optional: Whether the function has a default for it.
    """

    name: str
    source: str
    kind: type
    nullable: bool
    optional: bool


@dataclass(frozen=True, eq=False)
class FeatureFunction:
    """An output computed by a function.

    Args:
        function: Its arguments have types: str, int, float, bool, datetime, each perhaps ``| None``; it returns what
            JSON can say. ``request_time`` gives it the moment of the request, as a datetime in UTC.
        output_name: Of what it returns.
        input_bindings: Which input or output each argument gets; one that is not named gets that of its own name.

    Raises:
        WrongDefinition: If it cannot work; tells where it was written and what to do.

    Example:
        >>> def total(price: float, quantity: int = 1) -> float:
        ...     return price * quantity
        >>> FeatureFunction(total, "total", {"price": "last_price"}).inputs
        ('last_price', 'quantity')
    """

    function: Callable[..., Any]
    output_name: str
    input_bindings: Mapping[str, str] | None = None
    place: Place = field(default_factory=written_at, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not callable(self.function):
            raise WrongDefinition(f"function: {self.function!r} is no function", "Name a function.", self.place)
        check_name(f"output of {self}", self.output_name, self.place)
        if inspect.iscoroutinefunction(self.function) or inspect.isgeneratorfunction(self.function):
            raise self._wrong("it is asynchronous or a generator", "Return the value from a plain function.")
        object.__setattr__(self, "_parameters", self._read_parameters())

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Its arguments."""
        return self._parameters  # type: ignore[attr-defined,no-any-return]  # set above

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """What it needs: names of inputs or outputs."""
        return tuple(dict.fromkeys(one.source for one in self.parameters))

    @property
    def outputs(self) -> Mapping[str, str]:
        """Its one output, as lookups tell theirs."""
        return {self.output_name: self.output_name}

    def __str__(self) -> str:
        """Name it in errors."""
        return f"function {getattr(self.function, '__name__', 'without name')!r}"

    def _read_parameters(self) -> tuple[Parameter, ...]:
        try:
            signature = inspect.signature(self.function)
            hints = get_type_hints(self.function)
        except (TypeError, ValueError, NameError) as error:
            raise self._wrong(f"its arguments cannot be read ({error})", "Give it arguments with types.") from error
        bindings = dict(self.input_bindings or {})
        unknown = next((name for name in bindings if name not in signature.parameters), None)
        if unknown is not None:
            told = ", ".join(signature.parameters) or "none"
            raise self._wrong(f"input_bindings: it has no argument {unknown!r}", f"Its arguments: {told}.")
        return tuple(
            self._parameter(one, hints.get(one.name), bindings.get(one.name, one.name))
            for one in signature.parameters.values()
        )

    def _parameter(self, one: inspect.Parameter, hint: Any, source: str) -> Parameter:
        if one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            raise self._wrong(f"argument {one.name!r} has no name of its own", "Write plain arguments, no *args or /.")
        check_input(f"{self}: input_bindings", source, self.place)
        kind, nullable = _kind(hint)
        if kind is None:
            remedy = f"Write one of str, int, float, bool, datetime, or one of them | None: {one.name}: float."
            told = "has no type" if hint is None else f"has the type {getattr(hint, '__name__', hint)}"
            raise self._wrong(f"argument {one.name!r} {told}", remedy)
        return Parameter(one.name, source, kind, nullable, one.default is not one.empty)

    def _wrong(self, what: str, remedy: str) -> WrongDefinition:
        return WrongDefinition(f"{self}: {what}", remedy, self.place)


def _kind(hint: Any) -> tuple[type | None, bool]:
    """Read ``float`` or ``float | None``; None for anything else."""
    if get_origin(hint) in (Union, types.UnionType):
        others = [one for one in get_args(hint) if one is not type(None)]
        kind = others[0] if len(others) == 1 and len(others) < len(get_args(hint)) else None
        return (kind if kind in KINDS else None), True
    return (hint if hint in KINDS else None), False
