"""A kill at every named place of the delivery loop loses nothing and counts nothing twice."""

import signal

import pytest

from streams.crashing import POINTS
from tests.integration.harness import Workers, check_everything, send, simulated, wait_until, with_broken

COMMON = ("after_decide", "in_transaction", "after_commit", "after_publish", "after_delete", "before_done")
DIGEST = (*COMMON, "timer_in_transaction", "timer_after_commit", "after_publish")
SUMMARIZE = (*COMMON, "work_after_call", "work_in_transaction", "work_after_commit")


def test_every_crash_point_is_tried():
    assert {*DIGEST, *SUMMARIZE} == {point for point in POINTS if not point.startswith("fill")}


@pytest.mark.parametrize(("digest", "summarize"), list(zip(DIGEST, reversed(SUMMARIZE), strict=True)))
def test_kills_there_lose_nothing_and_count_nothing_twice(
    digest, summarize, tmp_path, kafka_settings, topics, store_environ
):
    reviews, values = simulated(300, seed=len(digest))
    values = with_broken(values, 20)
    send(kafka_settings, values[:150])
    workers = Workers(tmp_path, kafka_settings, **store_environ)
    try:
        victims = [
            workers.start(agent, MILLRACE_CRASH_AT=f"{point}:{1 if 'timer' in point or 'work' in point else 2}")
            for agent, point in (("digest", digest), ("summarize", summarize))
        ]
        for victim in victims:  # a dead digest sends summarize nothing more: it must go on
            wait_until(lambda victim=victim: victim.poll() is not None, 60, told=workers.told)
            assert victim.returncode == -signal.SIGKILL
            workers.keep_up()
            send(kafka_settings, values[150:] if victim is victims[0] else [])
        workers.rest(len(values))
        check_everything(workers, reviews, broken=20)
    finally:
        workers.stop()
