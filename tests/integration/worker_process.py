"""One worker as its own process, as the supervisor starts it, except for what a test may put in its place."""

import asyncio
import importlib
import os
import sys

from infra.settings import Settings
from models.ports import Written
from streams import work
from streams.assemblies import summarize
from streams.crashing import crash_points
from streams.worker import Worker
from tests.integration.forks import forked_slot

DIALECTS = ("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg")


class SleepyWriter:
    """Takes a while for every call."""

    engine, model, prompt_version, parameters, endpoint, refreshes = "sleepy", "test", "1", "", "sleepy", False

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def write(self, requests):
        await asyncio.sleep(self.seconds)
        return [Written(f"Written for {request.product_id}.") for request in requests]


async def run(agent: str, slot: int) -> int:
    if seconds := os.environ.get("TEST_WRITER_SLEEP_S"):
        choose = summarize.choose_writer
        summarize.choose_writer = lambda setting, *rest: (
            SleepyWriter(float(seconds)) if setting == "local:sleepy" else choose(setting, *rest)
        )
    if os.environ.get("TEST_EMBEDDER") == "words":  # MiniLM takes its time, and its file 2 s to be made
        from streams.assemblies import answer, index
        from tests.streams.retrieval_world import BagOfWords

        index.load_document_model = answer._load_query_model = lambda settings: BagOfWords()
    if lease := os.environ.get("TEST_LEASE_S"):
        work.LEASE_S = float(lease)
    return await Worker(agent, slot, Settings.from_env(os.environ), crash_points(os.environ)).run()


def slot_of(agent: str, word: str) -> int:
    """The slot that a command line names; ``forks`` names one after the other."""
    if word != "forks":
        return int(word)
    for module in (
        f"streams.assemblies.{agent}",
        "sqlalchemy.dialects.sqlite",
        "sqlalchemy.dialects.postgresql.psycopg",
    ):
        importlib.import_module(module)
    return forked_slot()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1], slot_of(*sys.argv[1:]))))
