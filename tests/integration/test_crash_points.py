"""A kill at every named place of the delivery loop loses nothing and counts nothing twice."""

import signal

import pytest

from streams.crashing import POINTS
from tests.integration.harness import Workers, check_everything, send, simulated, wait_until, with_broken

DIGEST = ("after_decide", "in_transaction", "after_commit", "after_publish", "after_delete", "before_done")
TIMERS = ("timer_in_transaction", "timer_after_commit")
WORK = ("work_after_call", "work_in_transaction", "work_after_commit")


def test_every_crash_point_is_tried():
    assert {*DIGEST, *TIMERS, *WORK} == set(POINTS)


@pytest.mark.parametrize(
    ("agent", "point"),
    [*(("digest", point) for point in (*DIGEST, *TIMERS)), *(("summarize", point) for point in (*DIGEST, *WORK))],
)
def test_a_kill_there_loses_nothing_and_counts_nothing_twice(agent, point, tmp_path, kafka_settings, topics):
    reviews, values = simulated(300, seed=len(point))
    values = with_broken(values, 20)
    send(kafka_settings, values[:150])
    workers = Workers(tmp_path, kafka_settings)
    try:
        passing = 1 if "timer" in point or "work" in point else 2
        victim = workers.start(agent, MILLRACE_CRASH_AT=f"{point}:{passing}")
        workers.start({"digest": "summarize", "summarize": "digest"}[agent])
        wait_until(lambda: victim.poll() is not None, 60, told=workers.told)
        assert victim.returncode == -signal.SIGKILL
        send(kafka_settings, values[150:])
        workers.rest(len(values))
        check_everything(workers, reviews, broken=20)
    finally:
        workers.stop()
