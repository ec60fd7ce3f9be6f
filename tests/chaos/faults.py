"""What goes wrong, when, and for whom: a schedule made from a seed, and those who carry it out."""

import contextlib
import fcntl
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import psutil
import sqlalchemy as sa

from infra.local.kafka import KafkaServer
from infra.local.milvus import MilvusServer
from infra.settings import KafkaSettings
from infra.store_errors import StoreError
from infra.stores import AgentStore
from tests.integration.harness import CHECKOUT, Workers, wait_until
from tests.postgres import PostgresServer

AGENTS = ("digest", "summarize")
SLOTS = 2
GUEST = 2
"""The slot of a worker that joins and leaves."""

What = Literal[
    "kill",
    "terminate",
    "freeze",
    "thaw",
    "join",
    "leave",
    "broker dies",
    "broker stops",
    "database dies",
    "vectors die",
    "store locked",
    "parent dies",
]
WORKERS: tuple[tuple[What, int], ...] = (("kill", 8), ("terminate", 5), ("freeze", 4), ("join", 3))
PAUSE_S = (0.3, 2.5)
"""Between two faults."""

FREEZE_S = (5.0, 20.0)
DOWN_S = (0.2, 4.0)
LOCKED_S = (2.0, 9.5)
"""Longer than a worker's Postgres waits for a lock before it tries again."""

GUEST_S = (3.0, 12.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    at_s: float  # after the beginning
    what: What
    who: tuple[str, int] | None = None
    for_s: float = 0.0  # how long a server stays down, or a store locked; others go on meanwhile

    def __str__(self) -> str:
        whom = "" if self.who is None else f" {self.who[0]}-{self.who[1]}"
        return f"{self.at_s:5.1f} s {self.what}{whom}" + (f" for {self.for_s:.1f} s" if self.for_s else "")


def schedule(
    seed: int, duration_s: float, servers: Sequence[What], agents: Sequence[str] = AGENTS, *, locked: int = 0
) -> list[Fault]:
    """Make the schedule of a seed: workers fall all the time, each is killed once at least, and so is each server.

    Args:
        seed: Equal seeds make equal schedules.
        duration_s: How long it all goes on.
        servers: What befalls them, each once.
        agents: Whose workers fall.
        locked: How often each agent's store is locked.
    """
    chance = random.Random(seed)
    everybody = [(agent, slot) for agent in agents for slot in range(SLOTS)]
    freeze_s = (min(FREEZE_S), max(min(FREEZE_S), min(max(FREEZE_S), duration_s / 2)))
    faults: list[Fault] = []
    at_s = chance.uniform(0.5, 3.0)
    kinds, weights = zip(*WORKERS, strict=True)
    while at_s < duration_s:
        faults += _worker_fault(chance, chance.choices(kinds, weights)[0], agents, at_s, freeze_s)
        at_s += chance.uniform(*PAUSE_S)
    faults += [Fault(chance.uniform(0.1, 0.9) * duration_s, "kill", who) for who in everybody]
    for what in servers:
        faults.append(Fault(chance.uniform(0.2, 0.9) * duration_s, what, for_s=chance.uniform(*DOWN_S)))
    for agent in (agent for agent in agents for _ in range(locked)):
        faults.append(Fault(chance.random() * duration_s, "store locked", (agent, 0), chance.uniform(*LOCKED_S)))
    return sorted(faults, key=lambda fault: fault.at_s)


def _worker_fault(
    chance: random.Random, what: What, agents: Sequence[str], at_s: float, freeze_s: tuple[float, float]
) -> list[Fault]:
    agent = chance.choice(agents)
    if what == "join":
        leaves_s = at_s + chance.uniform(*GUEST_S)
        return [Fault(at_s, "join", (agent, GUEST)), Fault(leaves_s, "leave", (agent, GUEST))]
    who = (agent, chance.randrange(SLOTS))
    if what == "freeze":
        return [Fault(at_s, "freeze", who), Fault(at_s + chance.uniform(*freeze_s), "thaw", who)]
    return [Fault(at_s, what, who)]


class Crew(Workers):
    """Two workers of each agent, kept up as the supervisor does, without its waits."""

    agents: Sequence[str] = AGENTS

    def __init__(self, home: Path, kafka_settings: KafkaSettings, **environ: str) -> None:
        super().__init__(home, kafka_settings, **environ)
        self.dismissed: list[subprocess.Popen] = []

    def start_all(self) -> None:
        for agent in self.agents:
            for slot in range(SLOTS):
                self.start(agent, slot)

    def running(self) -> bool:
        """Whether everybody reads."""
        return all('"state":"running"' in self.beat(agent, slot) for agent in self.agents for slot in range(SLOTS))

    def pid(self, agent: str, slot: int) -> int | None:
        process = self.processes.get((agent, slot))
        return None if process is None or process.poll() is not None else process.pid

    def dismiss(self, agent: str, slot: int) -> None:
        """Start this one no more."""
        if (agent, slot) in self.processes:
            self.dismissed.append(self.processes.pop((agent, slot)))

    def lock(self, agent: str, seconds: float) -> None:
        """Keep everybody from writing to an agent's store, if it is there and can be locked."""
        with contextlib.suppress(StoreError), AgentStore(self.place(agent), "rw").transaction() as connection:
            if connection.dialect.name == "postgresql":  # SQLite's only lock is ours already
                connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = '60s'"))
                connection.execute(sa.text("LOCK TABLE fences, work, outbox IN ACCESS EXCLUSIVE MODE"))
            time.sleep(seconds)

    def stop(self) -> None:
        """Stop everybody; those whose supervisor was killed must have gone by themselves."""
        super().stop()
        for process in self.dismissed:
            process.wait(60)
        wait_until(lambda: not self.left(), 60, told=lambda: f"still there: {self.left()}")

    def left(self) -> list[str]:
        """Slots that somebody still holds."""
        held = []
        for path in sorted((self.home / "run").glob("*.lock")):
            with path.open() as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    held.append(f"{path.stem} by {lock.read()}")
        return held


class SupervisedCrew(Crew):
    """Two workers of each agent under the real supervisor; whoever joins is our own child."""

    def start_all(self) -> None:
        self.start("supervisor")

    def start(self, agent: str, slot: int = 0, **environ: str) -> subprocess.Popen:
        if agent != "supervisor":
            return super().start(agent, slot, **environ)
        command = [sys.executable, "-m", "streams", "worker", "--workers", str(SLOTS), *self.agents]
        ours = {**self.environ, "MILLRACE_METRICS_PORT": "0"}
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, env=ours, cwd=CHECKOUT, stdout=log, stderr=log)
        self.processes["supervisor", 0] = process
        return process

    def pid(self, agent: str, slot: int) -> int | None:
        if (agent, slot) in self.processes:
            return super().pid(agent, slot)
        told = self.home / "run" / "supervisor.json"
        children = msgspec.json.decode(told.read_bytes())["children"] if told.exists() else []
        return next((one["pid"] for one in children if (one["agent"], one["slot"]) == (agent, slot)), None)


class Storm:
    """Carries a schedule out.

    Args:
        crew: Who suffers.
        kafka: Falls, too.
        postgres: Falls, too, when the stores are on it.
        milvus: Falls, too, where there is one.
    """

    def __init__(
        self, crew: Crew, kafka: KafkaServer, postgres: PostgresServer | None, milvus: MilvusServer | None = None
    ) -> None:
        self._crew = crew
        self._kafka = kafka
        self._postgres = postgres
        self._milvus = milvus
        self._frozen: dict[tuple[str, int], psutil.Process] = {}
        self._servers = ThreadPoolExecutor(1)  # they take their time, one after the other, while workers fall
        self._beside: dict[What, ThreadPoolExecutor] = {
            what: ThreadPoolExecutor(1) for what in ("vectors die", "store locked")
        }
        self.done: list[str] = []

    def rage(self, faults: list[Fault]) -> None:
        """Do it all; returns when everybody may live again."""
        begun, fallen = time.monotonic(), []
        with self._kept_up():
            for fault in faults:
                time.sleep(max(0.0, begun + fault.at_s - time.monotonic()))
                if fault.for_s:
                    fallen.append(self._beside.get(fault.what, self._servers).submit(self._fell, fault, begun))
                elif fault.who is not None:
                    self._note(fault, begun, "" if self._do(fault, fault.who) else " (nobody there)")
            for one in fallen:
                one.result()
            for who in list(self._frozen):
                self._thaw(who)

    def _note(self, fault: Fault, begun: float, how: str) -> None:
        self.done.append(f"{fault}{how}, done at {time.monotonic() - begun:.1f} s")

    @contextlib.contextmanager
    def _kept_up(self) -> Iterator[None]:
        over, failed = threading.Event(), []

        def keep() -> None:
            try:
                while not over.wait(0.2):
                    self._crew.keep_up()
            except BaseException as error:
                failed.append(error)

        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join()
        assert failed == []

    def _do(self, fault: Fault, who: tuple[str, int]) -> bool:
        if fault.what == "join":
            free = self._crew.pid(*who) is None
            if free:
                self._crew.start(*who)
            return free
        if fault.what == "thaw":
            return self._thaw(who)
        number = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP}.get(fault.what, signal.SIGTERM)
        process = self._process(who)
        if fault.what == "leave":
            self._crew.dismiss(*who)
        if process is None:
            return False
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        if fault.what == "freeze":
            self._frozen[who] = process
        return True

    def _fell(self, fault: Fault, begun: float) -> None:
        if fault.what == "parent dies":
            self._crew.processes["supervisor", 0].kill()
        elif fault.what == "store locked":
            assert fault.who is not None
            self._crew.lock(fault.who[0], fault.for_s)
        else:
            servers = {"database dies": self._postgres, "vectors die": self._milvus}
            server = servers.get(fault.what, self._kafka)
            assert server is not None
            (server.stop if fault.what == "broker stops" else server.kill)()
            time.sleep(fault.for_s)
            server.start()
        self._note(fault, begun, "")

    def _thaw(self, who: tuple[str, int]) -> bool:
        process = self._frozen.pop(who, None)
        with contextlib.suppress(psutil.NoSuchProcess):
            if process is not None:
                process.send_signal(signal.SIGCONT)
                return True
        return False

    def _process(self, who: tuple[str, int]) -> psutil.Process | None:
        pid = self._crew.pid(*who)
        with contextlib.suppress(psutil.NoSuchProcess):
            return None if pid is None else psutil.Process(pid)
        return None
