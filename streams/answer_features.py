"""The features of what a request is about: evaluated beside the search, and never in an answer's way."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog

from infra.errors import InfraError
from processors.answers.stated import VALUE_LIMIT, VALUES, Stated, make_stated
from processors.answers.visible import clipped
from processors.features.definitions.serving import FeatureSpec
from processors.features.serving.evaluating import Evaluated, Source, evaluate
from processors.features.serving.ports import Failed, FeatureReader, FunctionCaller
from schemas.answers import FeatureSource
from schemas.features import FeatureValue
from schemas.requests import FEATURES_OPTION, Request

PATIENCE_S: Final = 2.0
"""Features that take longer are left out; a quarter of the time until the deadline where that is less."""
NOT_IN_TIME: Final = "they were not there in time"
UNREADABLE: Final = "they cannot be read now"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
log = structlog.get_logger("answering")


@dataclass(frozen=True, slots=True)
class Given:
    """What features tell one request.

    Args:
        spec: Its name; none was asked for.
        values: What is served, within bounds.
        sources: The rows it was read from.
        stated: What is said of it; None where there is nothing.
        reason: Why there is nothing where a spec was asked for.
        took_ms: How long it took.
    """

    spec: str | None = None
    values: dict[str, FeatureValue] = field(default_factory=dict)
    sources: list[FeatureSource] = field(default_factory=list)
    stated: Stated | None = None
    reason: str | None = None
    took_ms: float = 0.0

    @property
    def asked(self) -> bool:
        """Whether any were asked for."""
        return self.spec is not None or self.reason is not None


class AnswerFeatures:
    """Tells requests the features of their spec.

    Args:
        specs: Of the user's module, by name.
        reader: Reads rows.
        caller: Calls the user's functions.
        spec: Name of the spec of requests that name none, but some of its inputs; none has none.
        threads: Where reading and calling block; its own, so that a slow one holds up no search.
        now: Unix seconds.
        because: Why there are no specs.
    """

    def __init__(
        self,
        specs: Mapping[str, FeatureSpec],
        reader: FeatureReader,
        caller: FunctionCaller,
        *,
        spec: str | None,
        threads: Executor,
        now: Callable[[], float],
        because: str | None = None,
    ) -> None:
        self._specs = specs
        self._reader = reader
        self._caller = caller
        self._spec = spec
        self._threads = threads
        self._now = now
        self._because = because

    async def give(self, request: Request, left_s: float) -> Given:
        """Evaluate a request's spec; whatever fails, there is an answer without it.

        Args:
            request: Its option ``features`` names the spec; its entities and other options are the inputs.
            left_s: Until its deadline, seconds.
        """
        name = request.options.get(FEATURES_OPTION) or self._default(request)
        if name is None:
            return Given()
        began, running = time.monotonic(), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(min(PATIENCE_S, left_s / 4)):
                given = await running.run_in_executor(self._threads, lambda: self._evaluate(str(name), request))
            why = given.reason
        except TimeoutError:
            given, why = Given(str(name), reason=NOT_IN_TIME), NOT_IN_TIME
        except InfraError as error:  # what it says of files and servers is for the log
            given, why = Given(str(name), reason=UNREADABLE), str(error)
        if why is not None:
            log.warning("answered without features", request=request.request_id, spec=name, why=why)
        return replace(given, took_ms=round((time.monotonic() - began) * 1000, 3))

    def _default(self, request: Request) -> str | None:
        """Return the spec that is set, for a request that has to do with it."""
        spec = None if self._spec is None else self._specs.get(self._spec)
        concerned = bool(request.entities) if spec is None else not request.entities.keys().isdisjoint(spec.inputs)
        return self._spec if concerned else None

    def _evaluate(self, name: str, request: Request) -> Given:
        spec, now_us = self._specs.get(name), int(self._now() * 1e6)
        if spec is None:
            told = f"there is {', '.join(self._specs)}" if self._specs else self._because or "none is defined"
            return Given(None, reason=f"there is no feature spec {clipped(name, 80)!r}: {told}")
        record = {**request.options, **request.entities}
        inputs = {input_: record[input_] for input_ in spec.inputs if input_ in record}
        (result,) = evaluate(spec, [inputs], self._reader, self._caller, now_us)
        if isinstance(result, Failed):
            return Given(name, reason=result.detail)
        values = {output: _bounded(value) for output, value in list(result.outputs.items())[:VALUES]}
        return Given(name, values, _sources(result, now_us), make_stated(spec, result, now_us))


def _bounded(value: Any) -> FeatureValue:
    if value is None or isinstance(value, bool | int | float):
        return value
    return clipped(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), VALUE_LIMIT)


def _sources(evaluated: Evaluated, now_us: int) -> list[FeatureSource]:
    """List the rows that what is served was read from, each once."""
    served: dict[Source, list[str]] = {}
    for name in list(evaluated.outputs)[:VALUES]:
        for source in evaluated.sources.get(name, ()):
            served.setdefault(source, []).append(name)
    return [
        FeatureSource(
            table=source.table,
            key=source.key,
            version=source.version,
            as_of=None if source.as_of_us is None else _written(source.as_of_us),
            age_s=None if source.as_of_us is None else round(max(0, now_us - source.as_of_us) / 1e6, 3),
            missing=source.missing,
            features=names,
        )
        for source, names in served.items()
    ]


def _written(at_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
