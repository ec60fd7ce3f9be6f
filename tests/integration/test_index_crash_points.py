"""A kill at every named place of the loop and of the work beside it leaves index and answers as if nothing had been."""

import signal

import pytest

from streams.crashing import POINTS
from tests.chaos.feed import Feed
from tests.chaos.index_crew import IndexCrew
from tests.chaos.index_history import IndexHistory
from tests.integration.harness import wait_until

LOOP = ("after_decide", "in_transaction", "after_commit", "after_publish", "after_delete", "before_done")
WORK = ("work_after_call", "work_in_transaction", "work_after_commit")
ALL = (*LOOP, *WORK)
FEW = ("in_transaction", "work_after_call")
"""Tried in every run; the others with ``--chaos``."""

RECORDS = 160


def pytest_generate_tests(metafunc):
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", ALL if metafunc.config.getoption("--chaos") else FEW)


def test_every_crash_point_of_agents_without_timers_is_tried():
    assert {*ALL} == {point for point in POINTS if not point.startswith(("timer", "fill"))}


@pytest.fixture
def crew(tmp_path, kafka_settings, topics, milvus, store_environ):
    crew = IndexCrew(tmp_path, kafka_settings, milvus.uri, **store_environ)
    yield crew
    crew.stop()
    crew.drop_collections()


def test_kills_there_leave_the_index_of_the_documents_and_one_answer_a_question(point, crew, kafka_settings):
    records = IndexHistory(len(point), kafka_settings.partitions).make(RECORDS)
    Feed.sent(kafka_settings, records[: RECORDS // 2])
    crash = f"{point}:{1 if point in WORK else 2}"
    victims = [crew.start(agent, MILLRACE_CRASH_AT=crash) for agent in crew.agents]
    for victim in victims:  # a dead index tells answer nothing more: it must go on
        wait_until(lambda victim=victim: victim.poll() is not None, 60, told=crew.told)
        assert victim.returncode == -signal.SIGKILL
        crew.keep_up()
        if victim is victims[0]:
            Feed.sent(kafka_settings, records[RECORDS // 2 :])
    crew.check()
