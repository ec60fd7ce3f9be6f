"""When a batch closes, and what is in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from processors.batching.packing import Length, pack, padded


@dataclass(frozen=True, slots=True)
class Request:
    """What waits for a model.

    Args:
        number: Its own; later ones are larger.
        length: Tokens to read and to say.
        arrived_s: When it came.
        deadline_s: When its answer is of no more use.
        group: Only requests of one group can be in a batch: an adapter, a kind of output.
        key: Requests of one key are done one after the other, in order of their numbers; None for no order.
        joins: The model takes it into what it is doing (continuous batching): it waits for its key, not for a batch.
    """

    number: int
    length: Length
    arrived_s: float
    deadline_s: float
    group: str = ""
    key: str | None = None
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests the model does together."""

    number: int
    group: str
    requests: tuple[Request, ...]

    @property
    def padded_tokens(self) -> int:
        """What it costs: every row as long as the longest."""
        return padded([request.length for request in self.requests])


class Batcher:
    """Packs requests by tokens and length, the most urgent first.

    A batch closes when its tokens are full, when the oldest request of its group has waited for ``linger_s``, when a
    deadline has come, or at once when the model idles. Several batches may be in flight; a request is finished on its
    own, a batch when all of its requests are. A request whose key has an earlier one waiting or in flight waits; one
    that joins waits for nothing else, comes as a batch of its own and takes no place in flight.

    Args:
        batch_tokens: Padded tokens of a batch at most; a larger request goes alone.
        linger_s: A batch that is not full waits this long for more while the model is busy, seconds.
        in_flight: Batches at a time.
        batch_cost_tokens: What a batch costs however small, in tokens.
        lookahead: The most urgent requests of a group that are looked at; bounds the time of a choice.

    Example:
        >>> batcher = Batcher(batch_tokens=100, linger_s=0.5)
        >>> for number in range(3):
        ...     batcher.add(Request(number, Length(prompt=30, said=10), arrived_s=0.0, deadline_s=9.0))
        >>> [request.number for request in batcher.take(now=0.0).requests]  # the model idles
        [0, 1]
        >>> batcher.take(now=0.0) is None, batcher.wake_s  # it is busy, and the batch not full
        (True, 0.5)
        >>> [request.number for request in batcher.take(now=0.5).requests]
        [2]
    """

    def __init__(
        self,
        batch_tokens: int,
        linger_s: float,
        in_flight: int = 2,
        batch_cost_tokens: int = 256,
        lookahead: int = 128,
    ) -> None:
        self._batch_tokens = batch_tokens
        self._linger_s = linger_s
        self._in_flight_most = in_flight
        self._batch_cost_tokens = batch_cost_tokens
        self._lookahead = lookahead
        self._waiting: dict[int, Request] = {}  # by number: in order of arrival
        self._unfinished: dict[int, Request] = {}
        self._batches: dict[int, set[int]] = {}
        self._batch_of: dict[int, int] = {}
        self._closed = 0

    def add(self, request: Request) -> None:
        """Let one request wait.

        Raises:
            ValueError: If its number is not larger than those that wait.
        """
        if self._waiting and request.number <= next(reversed(self._waiting)):
            raise ValueError(f"request {request.number} came after {next(reversed(self._waiting))}")
        self._waiting[request.number] = request

    def take(self, now: float) -> Batch | None:
        """Return the batch that is to start now, if any; ask again until there is none.

        Args:
            now: Seconds on the clock of arrivals and deadlines.
        """
        ready = self._ready()
        for request in ready:
            if request.joins:
                return self._close([request])
        if len(self._batches) >= self._in_flight_most:
            return None
        for requests in _grouped(ready):
            places = pack(
                [request.length for request in requests[: self._lookahead]],
                self._batch_tokens,
                self._batch_cost_tokens,
            )
            chosen = [requests[place] for place in places]
            if not self._batches or now >= self._due_s(requests) or self._full(chosen):
                return self._close(chosen)
        return None

    @property
    def wake_s(self) -> float | None:
        """When a batch closes though nothing else happens; None if that cannot be."""
        if len(self._batches) >= self._in_flight_most:
            return None
        return min((self._due_s(requests) for requests in _grouped(self._ready())), default=None)

    def finish(self, number: int) -> None:
        """A request in flight has its result: the next of its key may go; unknown numbers are passed over."""
        if self._unfinished.pop(number, None) is None:
            return
        batch = self._batch_of.pop(number, None)
        if batch is not None:
            self._batches[batch].discard(number)
            if not self._batches[batch]:
                del self._batches[batch]

    def withdraw(self, number: int) -> bool:
        """Forget a request that waits; says whether it did."""
        return self._waiting.pop(number, None) is not None

    @property
    def waiting(self) -> Mapping[int, Request]:
        """What no batch has taken yet, by number."""
        return self._waiting

    @property
    def in_flight(self) -> int:
        """Batches that have started and are not finished."""
        return len(self._batches)

    def _ready(self) -> list[Request]:
        """Requests whose turn it is among those of their key, in order of arrival."""
        taken = {request.key for request in self._unfinished.values()} - {None}
        found = []
        for request in self._waiting.values():
            if request.key not in taken:
                found.append(request)
            if request.key is not None:
                taken.add(request.key)
        return found

    def _due_s(self, requests: Iterable[Request]) -> float:
        return min(min(request.arrived_s + self._linger_s, request.deadline_s) for request in requests)

    def _full(self, chosen: list[Request]) -> bool:
        """Whether not even one more of their size finds room."""
        row = padded([request.length for request in chosen]) // len(chosen)
        return (len(chosen) + 1) * row > self._batch_tokens

    def _close(self, chosen: list[Request]) -> Batch:
        self._closed += 1
        batch = Batch(self._closed, chosen[0].group, tuple(sorted(chosen, key=lambda request: request.number)))
        for request in chosen:
            del self._waiting[request.number]
            self._unfinished[request.number] = request
            if not request.joins:
                self._batches.setdefault(batch.number, set()).add(request.number)
                self._batch_of[request.number] = batch.number
        return batch


def _grouped(ready: list[Request]) -> list[list[Request]]:
    """A list a group, most urgent first; the group of the most urgent first. Those that join are in none."""
    groups: dict[str, list[Request]] = {}
    for request in sorted(ready, key=_urgency):
        if not request.joins:
            groups.setdefault(request.group, []).append(request)
    return list(groups.values())


def _urgency(request: Request) -> tuple[float, int]:
    return request.deadline_s, request.number
