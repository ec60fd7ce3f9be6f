"""One worker as its own process, as the supervisor starts it, except that a test may slow its writer down."""

import asyncio
import os
import sys

from infra.settings import Settings
from models.ports import Written
from streams import assembly
from streams.crashing import crash_points
from streams.worker import Worker


class SleepyWriter:
    """Takes a while for every call."""

    engine, model, prompt_version, parameters, refreshes = "sleepy", "test", "1", "", False

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def write(self, requests):
        await asyncio.sleep(self.seconds)
        return [Written(f"Written for {request.product_id}.") for request in requests]


async def run(agent: str, slot: int) -> int:
    if seconds := os.environ.get("TEST_WRITER_SLEEP_S"):
        choose = assembly.choose_writer
        assembly.choose_writer = lambda setting, *rest: (
            SleepyWriter(float(seconds)) if setting == "local:sleepy" else choose(setting, *rest)
        )
    return await Worker(agent, slot, Settings.from_env(os.environ), crash_points(os.environ)).run()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1], int(sys.argv[2]))))
