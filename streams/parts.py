"""What every agent is made of: what its parts share, and what is run."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from infra.database import Store
from infra.fences import Partition
from infra.settings import Settings
from schemas.heartbeats import Counters
from streams.events import Crash, Handler
from streams.publisher import Publisher
from streams.unusable import Unusable as Unusable  # where agents look for it
from streams.work import Performer, WorkLimits, WorkService


@dataclass(frozen=True, slots=True)
class Context:
    """What every part of one worker shares."""

    settings: Settings
    store: Store
    counters: Counters
    owner: str  # agent-slot
    mine: Callable[[], Collection[Partition]]
    now: Callable[[], float]  # unix seconds
    crash: Crash


Service = Callable[[Publisher], Any]
"""Makes something with ``async run()`` once there is a publisher."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One agent, ready to be run.

    Args:
        handler: Of its stream.
        services: Beside it.
        circuits: Tells which endpoints are left alone, and until when (unix seconds).
        reasons: Tells why they are.
    """

    handler: Handler[Any]
    services: tuple[Service, ...]
    circuits: Callable[[], Mapping[str, float]] = dict
    reasons: Callable[[], Mapping[str, str]] = dict


def work_service(performer: Performer[Any, Any], context: Context, limits: WorkLimits) -> Service:
    """Have one kind of work done beside the stream."""

    def service(publisher: Publisher) -> WorkService[Any, Any]:
        return WorkService(
            performer,
            context.store,
            publisher,
            owner=context.owner,
            mine=context.mine,
            limits=limits,
            now=context.now,
            crash=context.crash,
        )

    return service
