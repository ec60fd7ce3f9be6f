"""What surrounds any erasure: stores on disk, topics in memory, and agents that forget when they are waited for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from infra.kafka.producer import Receipt
from infra.places import StorePlace
from infra.settings import Settings
from infra.stores import AgentStore
from streams.cli.erasing.steps import Steps
from streams.cli.erasing.telling import Telling
from streams.cli.sending.kinds import KINDS
from streams.cli.waits.standing import Agent, Gap, NotStanding
from tests.streams.cli.fake_logs import Logs
from tests.streams.cli.fake_surroundings import Fake
from tests.streams.cli.samples import NOW


@dataclass
class Stores:
    """The stores of a home."""

    home: Path

    def open(self, agent: str, mode="rw") -> AgentStore:
        return AgentStore(StorePlace(agent, self.home), mode)

    def put(self, agent: str, table: sa.Table, *rows: dict[str, object]) -> None:
        self.open(agent).change(lambda connection: connection.execute(table.insert(), list(rows)))

    def rows(self, agent: str, table: sa.Table) -> list[dict]:
        with self.open(agent, "ro").transaction() as connection:
            return [dict(row._mapping) for row in connection.execute(sa.select(table))]


@dataclass
class Chain:
    """The agents, by hand: what was sent, who was waited for, and what happens then."""

    topic: str
    agents: Sequence[Agent]
    stores: Stores
    logs: Logs
    scrubbed: str
    on_gone: Callable[[], object] | None
    produced: list[Any] = field(default_factory=list)
    waits: list[tuple[list[str], dict, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fake = Fake(logs={self.topic: (0, 9)})

    def steps(self) -> Steps:
        return Steps(
            kind=KINDS[self.topic],
            agents=self.agents,
            around=self.fake,
            wait=self.wait,
            open_store=self.stores.open,
            logs=self.logs,
            produce=self.produce,
            scrub=lambda agent: agent == self.scrubbed,
            now=lambda: NOW,
        )

    def telling(self, as_json: bool = False) -> Telling:
        return Telling(Settings(home=self.stores.home), 60.0, as_json)

    def produce(self, record: object) -> Receipt:
        self.produced.append(record)
        return Receipt(self.topic, 0, 9)

    def wait(self, agents, origins, applied: bool) -> None:
        self.waits.append(([agent.name for agent in agents], dict(origins), applied))
        if not applied and self.on_gone is not None:
            self.on_gone()

    def fail_at(self, step: str, error: BaseException) -> None:
        """Have one step of it fail."""

        def fail(*_: object) -> None:
            raise error

        if step == "wait":
            self.on_gone = fail
        elif step == "logs":
            self.logs.read = fail  # type: ignore[method-assign, assignment]
        else:
            self.produce = fail  # type: ignore[method-assign, assignment]

    def late_at(self, number: int, gap: Gap) -> None:
        """Have the time be over in one of the waits, from 1."""

        def wait(agents, origins, applied: bool) -> None:
            self.waits.append(([], {}, applied))
            if len(self.waits) == number:
                raise NotStanding([gap])

        self.wait = wait  # type: ignore[method-assign]
