"""When a crew is at rest, what must hold then of whatever it does, and what is told when it never is."""

import contextlib
import time
from collections.abc import Sequence

from infra.store_errors import StoreError
from streams.graph import AGENTS
from tests.broker import committed, log_ends
from tests.integration.harness import wait_until

REST_S = 240.0
PENDING = ("outbox", "work", "work_inputs", "timers", "timer_inputs")


@contextlib.contextmanager
def telling(seed, name, storm, crew):
    """Say what a failure needs to be seen again."""
    try:
        yield
    except BaseException as error:
        again = f"python -m pytest tests/chaos --seed {seed} -k '{name}'"
        error.add_note("\n".join([f"Again: {again} --chaos", "Done until then:", *storm.done, crew.told()]))
        raise


def at_rest(crew):
    """Twice in a row, because a worker that was frozen may still have had something on its lips."""
    return all(settled(crew) and not time.sleep(1.0) for _ in range(2))


def settled(crew):
    try:
        return all(
            fences(crew, agent) == input_ends(crew.settings, agent) and not waiting(crew, agent)
            for agent in crew.agents
        )
    except StoreError:  # not made yet, or its database is only just back
        return False


def fences(crew, agent):
    rows = crew.query(agent, "SELECT topic, partition, next_offset FROM fences")
    return {(topic, partition): offset for topic, partition, offset in rows}


def input_ends(kafka_settings, agent):
    """Up to where an agent can read."""
    return {place: end for topic in AGENTS[agent].inputs for place, end in log_ends(kafka_settings, topic).items()}


def waiting(crew, agent):
    return sum(crew.query(agent, f"SELECT count(*) FROM {table}")[0][0] for table in PENDING)


def check_nothing_waits(workers, agents: Sequence[str]) -> None:
    """Everything sent is read, done and published, and Kafka knows it."""
    for agent in agents:
        ends = input_ends(workers.settings, agent)
        assert fences(workers, agent) == ends
        for table in PENDING:
            assert workers.query(agent, f"SELECT count(*) FROM {table}") == [(0,)], (agent, table)
        used = {place: end for place, end in ends.items() if end}

        def reached(agent=agent, used=used) -> bool:
            return {place: end for place, end in committed(workers.settings, agent).items() if end} == used

        wait_until(reached, 30, workers.keep_up, lambda agent=agent: str(committed(workers.settings, agent)))
