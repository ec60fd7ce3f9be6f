"""The circuit breakers of this process, one an endpoint."""

from collections.abc import Callable, Iterable, Mapping

import structlog

from models.ports import WriteFailure, Written
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
        self._reasons: dict[str, str] = {}

    def admit(self, endpoint: str) -> WriteFailure | None:
        """Ask whether a call may be made; otherwise the failure to make of it."""
        if not endpoint:
            return None
        wait_s = self._breaker(endpoint).admit(self._now())
        if wait_s is None:
            return None
        told = f"{endpoint} failed again and again and is left alone: {self._reasons[endpoint]}"
        return WriteFailure(told, retryable=True, retry_after_s=wait_s, endpoint=True, asked=False)

    def note(self, endpoint: str, outcomes: Iterable[Written | WriteFailure]) -> None:
        """Tell how calls went: a failure of the endpoint counts, what it answered shows that it works.

        What never reached it shows neither; if that was the one try of an open circuit, another may try.
        """
        if not endpoint:
            return
        breaker = self._breaker(endpoint)
        for outcome in outcomes:
            if not _asked(outcome):
                breaker.miss(self._now())
            elif not isinstance(outcome, WriteFailure) or _answered(outcome):
                breaker.succeed()
            elif outcome.endpoint:
                self._fail(endpoint, outcome)

    def _fail(self, endpoint: str, failure: WriteFailure) -> None:
        self._reasons[endpoint] = failure.error
        if self._breaker(endpoint).fail(self._now()):
            self._counters.circuits_opened += 1
            log.warning("endpoint left alone", endpoint=endpoint, seconds=self._open_s, why=failure.error)

    def open(self) -> Mapping[str, float]:
        """Tell which endpoints are left alone, and until when (unix seconds) at least."""
        until = {endpoint: breaker.open_until for endpoint, breaker in self._breakers.items()}
        return {endpoint: one for endpoint, one in until.items() if one is not None}

    def reasons(self) -> Mapping[str, str]:
        """Tell why those endpoints are left alone: how the last call failed that was let through."""
        return {endpoint: self._reasons[endpoint] for endpoint in self.open()}

    def _breaker(self, endpoint: str) -> Breaker:
        return self._breakers.setdefault(endpoint, Breaker(self._failures, self._open_s))


def _asked(outcome: Written | WriteFailure) -> bool:
    if isinstance(outcome, WriteFailure):
        return outcome.asked
    # A writer that has nothing to write about says so without asking anybody.
    return bool(outcome.text or outcome.said is not None or outcome.tokens_in or outcome.tokens_out)


def _answered(failure: WriteFailure) -> bool:
    """Say whether a failure shows that the endpoint works; one that was paid for and broken off shows nothing."""
    return not failure.endpoint and not (failure.retryable and failure.tokens_in)
