import asyncio
import dataclasses

import pytest

from infra.database import Waits
from infra.errors import BrokerUnreachable
from infra.heartbeats import read_heartbeats
from infra.local.kafka import free_port
from infra.places import StorePlace
from infra.settings_reading import Secret
from infra.store_errors import StoreUnusable
from schemas.heartbeats import Counters
from streams import waiting
from streams.delivery import Progress
from streams.pulse import Pulse
from streams.waiting import Waiting


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(waiting, "RETRY_S", 0.01)


class Broker:
    """Answers the third time."""

    def __init__(self) -> None:
        self.asked = 0

    def identify(self, topics: list[str]) -> dict[str, str]:
        self.asked += 1
        if self.asked < 3:
            raise BrokerUnreachable("kafka:9092")
        return dict.fromkeys(topics, "identity")


def make(place: StorePlace, tmp_path, broker: Broker | None = None) -> tuple[Waiting, Pulse, Progress]:
    progress = Progress(Counters())
    pulse = Pulse(place.agent, 0, tmp_path, progress, Waits())
    return Waiting(place, Waits(), broker or Broker(), pulse, progress), pulse, progress


async def test_a_store_that_can_be_opened_is_not_waited_for(fresh_place, tmp_path):
    start, pulse, progress = make(fresh_place, tmp_path)
    store = await start.for_database()
    assert (pulse.state, progress.last_error) == ("starting", None)
    store.close()


async def test_a_database_that_is_down_is_waited_for_and_told_in_the_heartbeat(postgres, fresh_place, tmp_path):
    down = dataclasses.replace(fresh_place, url=Secret(f"postgresql://me:hunter2@127.0.0.1:{free_port()}/shop"))
    start, pulse, progress = make(down, tmp_path)
    opening = asyncio.create_task(start.for_database())
    while progress.last_error is None:
        await asyncio.sleep(0.01)
    pulse.beat()
    (beat,) = read_heartbeats(tmp_path)
    assert beat.state == "waiting_for_database"
    assert "the database does not answer: Connection refused" in beat.last_error
    assert "hunter2" not in beat.last_error
    assert not opening.done()
    start._place = fresh_place  # it is back
    store = await asyncio.wait_for(opening, 20)
    assert (pulse.state, progress.last_error) == ("starting", None)
    store.close()


async def test_a_store_that_will_never_do_is_not_waited_for(tmp_path):
    place = StorePlace("digest", tmp_path)
    place.path.parent.mkdir()
    place.path.write_bytes(b"no database " * 100)
    with pytest.raises(StoreUnusable):
        await make(place, tmp_path)[0].for_database()


async def test_a_broker_that_is_away_is_waited_for(tmp_path):
    broker = Broker()
    start, pulse, progress = make(StorePlace("digest", tmp_path), tmp_path, broker)
    assert await start.for_broker(["reviews"]) == {"reviews": "identity"}
    assert broker.asked == 3
    assert pulse.state == "waiting_for_broker"
    assert "kafka:9092" in progress.last_error
