"""Workers, broker and database fall at random while reviews come, change and go: what stands is right to the byte."""

import logging

import pytest

from tests.chaos.faults import Crew, Storm, SupervisedCrew, schedule
from tests.chaos.feed import Feed, check_all_arrived
from tests.chaos.history import History
from tests.chaos.rest import REST_S, at_rest, telling
from tests.chaos.truth import Standing
from tests.integration.harness import wait_until


@pytest.mark.timeout(900)
def test_whatever_falls_nothing_is_lost_counted_twice_or_remembered(
    seed, long, store_environ, tmp_path, kafka, kafka_settings, topics, request, caplog
):
    caplog.set_level(logging.CRITICAL, "aiokafka")  # the feed's client tells of every broken connection
    count, duration_s = (2_400, 40.0) if long else (600, 10.0)
    supervised = seed % 2 == 0
    servers = ["broker dies", "broker stops", *(["database dies"] if store_environ else [])]
    servers += ["parent dies"] if supervised else []
    faults = schedule(seed, duration_s, servers)
    crew = (SupervisedCrew if supervised else Crew)(tmp_path, kafka_settings, **store_environ)
    storm = Storm(crew, kafka, request.getfixturevalue("postgres") if store_environ else None)
    records = History(seed, kafka_settings.partitions).make(count)
    feed = Feed(kafka_settings, records, duration_s)
    with telling(seed, request.node.callspec.id, storm, crew):
        try:
            crew.start_all()
            wait_until(crew.running, 120, told=crew.told)  # who falls before it begins can lose nothing
            feed.start()
            storm.rage(faults)
            feed.join()
            assert feed.failed is None
            wait_until(lambda: at_rest(crew), REST_S, crew.keep_up, crew.told)
            check_all_arrived(kafka_settings, records, feed.receipts)
            Standing(crew).check()
            assert "refusing to go on" not in crew.log.read_text(errors="replace")
        finally:
            if feed.ident is not None:
                feed.join()
            crew.stop()
