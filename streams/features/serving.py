"""Feature specs as endpoints: records in, predictions out, from rows as they stand now."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from processors.features.definitions.serving import FeatureSpec
from processors.features.serving.evaluating import evaluate
from processors.features.serving.ports import Failed, FeatureReader, FunctionCaller
from schemas.problems import PREFIX
from schemas.serving_endpoints import Config, Endpoint, RowError, RowProblem, ServedEntity, State
from streams.features.module import FeatureModule


class ServedSpec:
    """One feature spec; see ``infra.gateway.serving_endpoints.Served``.

    Args:
        spec: What is served.
        reader: Of rows; threads share it.
        caller: Of functions; threads share it.
        now: Unix seconds.
    """

    def __init__(
        self, spec: FeatureSpec, reader: FeatureReader, caller: FunctionCaller, now: Callable[[], float]
    ) -> None:
        self._spec, self._reader, self._caller, self._now = spec, reader, caller, now

    @property
    def endpoint(self) -> Endpoint:
        """What is told of it."""
        spec = self._spec
        entity = ServedEntity(spec.name, spec.name, list(spec.inputs), list(spec.outputs))
        return Endpoint(spec.name, State(), Config([entity]), spec.description)

    def invoke(self, records: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any] | RowProblem]:
        """Answer records, one for one in their order.

        Raises:
            infra.errors.InfraError: If none of them can be answered now.
        """
        results = evaluate(self._spec, records, self._reader, self._caller, int(self._now() * 1e6))
        return [_problem(one) if isinstance(one, Failed) else one.outputs for one in results]


def served_specs(
    module: FeatureModule, reader: FeatureReader, caller: FunctionCaller, now: Callable[[], float]
) -> list[ServedSpec]:
    """Make an endpoint of each spec of the user's module."""
    return [ServedSpec(spec, reader, caller, now) for spec in module.specs.values()]


def _problem(failure: Failed) -> RowProblem:
    return RowProblem(RowError(PREFIX + failure.kind, failure.title, failure.detail))
