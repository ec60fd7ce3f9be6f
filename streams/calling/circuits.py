"""The circuit breakers of this process, one an endpoint."""

from collections.abc import Callable, Iterable, Mapping

import structlog

from models.ports import WriteFailure
from processors.calls.breaker import Breaker
from schemas.heartbeats import Counters

log = structlog.get_logger("calls")


class Circuits:
    """Holds calls back from endpoints that fail again and again.

    Args:
        failures: In a row, that open a circuit.
        open_s: How long it stays open, seconds.
        counters: Where openings are counted.
        now: Unix seconds.
    """

    def __init__(self, failures: int, open_s: float, *, counters: Counters, now: Callable[[], float]) -> None:
        self._failures = failures
        self._open_s = open_s
        self._counters = counters
        self._now = now
        self._breakers: dict[str, Breaker] = {}

    def admit(self, endpoint: str) -> WriteFailure | None:
        """Ask whether a call may be made; otherwise the failure to make of it."""
        if not endpoint:
            return None
        wait_s = self._breaker(endpoint).admit(self._now())
        if wait_s is None:
            return None
        return WriteFailure(f"{endpoint} failed again and again and is left alone", True, wait_s, endpoint=True)

    def note(self, endpoint: str, outcomes: Iterable[object]) -> None:
        """Tell how calls went: a failure of the endpoint counts, anything else shows that it works."""
        if not endpoint:
            return
        breaker = self._breaker(endpoint)
        for outcome in outcomes:
            if not isinstance(outcome, WriteFailure) or not outcome.endpoint:
                breaker.succeed()
            elif breaker.fail(self._now()):
                self._counters.circuits_opened += 1
                log.warning("endpoint left alone", endpoint=endpoint, seconds=self._open_s, why=outcome.error)

    def open(self) -> Mapping[str, float]:
        """Tell which endpoints are left alone, and until when (unix seconds) at least."""
        until = {endpoint: breaker.open_until for endpoint, breaker in self._breakers.items()}
        return {endpoint: one for endpoint, one in until.items() if one is not None}

    def _breaker(self, endpoint: str) -> Breaker:
        return self._breakers.setdefault(endpoint, Breaker(self._failures, self._open_s))
