"""Workers, broker, database and vector store fall at random while documents change and questions are asked."""

import logging

import pytest

from tests.chaos.faults import Storm, schedule
from tests.chaos.feed import Feed, check_all_arrived
from tests.chaos.index_crew import IndexCrew
from tests.chaos.index_history import IndexHistory
from tests.chaos.rest import settled, telling
from tests.integration.harness import wait_until

CALM = 0.4
"""Share of a history that is sent before anybody falls."""


@pytest.fixture
def crew(tmp_path, kafka_settings, topics, milvus, store_environ):
    crew = IndexCrew(tmp_path, kafka_settings, milvus.uri, **store_environ)
    yield crew
    crew.drop_collections()


@pytest.mark.timeout(1_200)
def test_whatever_falls_the_index_is_that_of_the_documents_and_no_answer_cites_what_is_gone(
    seed, long, store_environ, crew, kafka, kafka_settings, milvus, request, caplog
):
    caplog.set_level(logging.CRITICAL, "aiokafka")  # the feed's client tells of every broken connection
    count, duration_s = (1_500, 40.0) if long else (240, 10.0)
    servers = ["broker dies", "vectors die", *(["broker stops"] if long else [])]
    servers += ["database dies"] if store_environ else []
    faults = schedule(seed, duration_s, servers, crew.agents, locked=2 if long else 1)
    storm = Storm(crew, kafka, request.getfixturevalue("postgres") if store_environ else None, milvus)
    records = IndexHistory(seed, kafka_settings.partitions).make(count)
    calm = int(count * CALM)
    feed = Feed(kafka_settings, records[calm:], duration_s)
    with telling(seed, request.node.callspec.id, storm, crew):
        try:
            crew.start_all()
            receipts = Feed.sent(kafka_settings, records[:calm])
            wait_until(lambda: settled(crew), 120, told=crew.told)  # answers are there that must be taken back
            feed.start()
            storm.rage(faults)
            feed.join()
            assert feed.failed is None
            print(*storm.done, sep="\n")
            assert crew.check().withdrawn
            check_all_arrived(kafka_settings, records, receipts + feed.receipts)
        finally:
            if feed.ident is not None:
                feed.join()
            crew.stop()
