"""Clients that ask one thing again and again, and how long they wait for it."""

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

Call = Callable[[int], None]
"""Asks once; the number is another one each time."""


@dataclass(frozen=True, slots=True)
class Waited:
    """How long calls took.

    Args:
        seconds: Each.
        elapsed_s: All together, clients side by side.
    """

    seconds: list[float]
    elapsed_s: float

    @property
    def per_s(self) -> float:
        """Calls a second, all clients together."""
        return round(len(self.seconds) / self.elapsed_s, 1)

    def ms(self, percent: int) -> float:
        """Milliseconds that so many percent of the calls stay below."""
        return round(statistics.quantiles(self.seconds, n=100, method="inclusive")[percent - 1] * 1000, 2)


def ask(make: Callable[[], Call], clients: int, seconds: float, per_s: float | None = None) -> Waited:
    """Let clients ask side by side.

    Args:
        make: Makes one client's way to ask.
        clients: How many; each is a thread.
        seconds: For how long.
        per_s: Calls a second of each, at even distances; a call that had to wait for the one before counts from when
            it was due. None is as fast as it goes.
    """
    taken: list[list[float]] = [[] for _ in range(clients)]
    failures: list[BaseException] = []
    barrier = threading.Barrier(clients + 1)

    def run(place: int) -> None:
        try:
            call = make()
            call(place)  # connections, caches
            barrier.wait()
            taken[place] += _asked(call, place * 1_000_003, seconds, per_s, place / clients)
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(clients)]
    for thread in threads:
        thread.start()
    try:
        barrier.wait()
    except threading.BrokenBarrierError:
        raise failures[0] from None
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return Waited([one for mine in taken for one in mine], time.perf_counter() - began)


def _asked(call: Call, first: int, seconds: float, per_s: float | None, phase: float) -> list[float]:
    taken: list[float] = []
    began = time.perf_counter()
    ended = began
    while ended < began + seconds:
        due = ended if per_s is None else began + (len(taken) + phase) / per_s
        if due > ended:
            time.sleep(due - ended)
            due = time.perf_counter()
        call(first + len(taken))
        ended = time.perf_counter()
        taken.append(ended - due)
    return taken


def posting(port: int, path: str, body: Callable[[int], object]) -> Callable[[], Call]:
    """Make clients that post JSON over a connection that stays open, and hold on to no answer.

    Args:
        port: On this machine.
        path: Of the endpoint.
        body: What is asked, by the call's number.
    """

    def make() -> Call:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

        def call(number: int) -> None:
            connection.request("POST", path, json.dumps(body(number)), {"Content-Type": "application/json"})
            response = connection.getresponse()
            told = response.read()
            if response.status != 200:
                raise RuntimeError(f"{path}: {response.status} {told[:300]!r}")

        return call

    return make
