"""Where an order is, from features, and whether it can be returned, from documents: one answer of running workers."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.json import decode, encode

from infra.store_errors import StoreMissing
from processors.features.examples.orders import order_scans, order_steps
from schemas.answers import Answer
from tests.integration.command_line import CommandLine
from tests.integration.harness import Workers, read_topic, send, wait_until

LEFT = "Your order left Leipzig 2 hours ago."
POLICY = "You can return unused goods within 30 days of delivery."
ABOUT_O7 = {"entities": {"order": "o7"}, "deadline_ms": 60_000}


@pytest.fixture
def workers(tmp_path, kafka_settings, topics, store_environ):
    environ = {
        "MILLRACE_FEATURES_MODULE": "processors.features.examples.orders",
        "MILLRACE_ANSWER_FEATURES": "order_status",
        "MILLRACE_MILVUS": "http://127.0.0.1:1",  # words alone are searched
    }
    workers = Workers(tmp_path, kafka_settings, **environ, **store_environ)
    yield workers
    workers.stop()


def happened(name, kind, ago, **values):
    at = (datetime.now(UTC) - ago).isoformat()
    told = {"event_id": name, "type": kind, "entity": {"order": "o7"}, "values": values, "occurred_at": at}
    return b"o7", encode(told)


def asked(request_id, question, **more):
    return request_id.encode(), encode({"request_id": request_id, "question": question, **ABOUT_O7, **more})


def read_through(workers, agent, topic, sent):
    with contextlib.suppress(StoreMissing):
        said = f"SELECT coalesce(sum(next_offset), 0) FROM fences WHERE topic LIKE '%{topic}%'"
        return workers.query(agent, said)[0][0] >= sent
    return False


def answers(workers, count):
    """The first answers to so many requests, by request_id."""
    found = {}
    for record in read_topic(workers.settings, "answers"):
        answer = decode(record.value, type=Answer)
        found.setdefault(answer.request_id, answer)
    return found if len(found) >= count else None


def test_the_order_comes_from_features_and_the_rules_from_documents(workers, kafka_settings):
    document = {"document_id": "returns.md", "text": f"# Returns\n\n{POLICY}", "title": "Returns"}
    send(kafka_settings, [(b"returns.md", encode(document))], "documents")
    events = [
        happened("e1", "order.placed", timedelta(hours=30), items=2),
        happened("e2", "order.scanned", timedelta(hours=9), city="Halle"),
        happened("e3", "order.scanned", timedelta(hours=2, minutes=5), city="Leipzig"),
    ]
    send(kafka_settings, events, "events")
    for agent in ("featurize", "index", "answer"):
        workers.start(agent)
    through = (("featurize", "events", 3), ("index", "documents", 1))
    wait_until(lambda: all(read_through(workers, *one) for one in through), 90, workers.keep_up, workers.told)
    requests = [
        asked("both", "Where is my order, and can I return it?"),
        asked("order", "Where is my order?"),
        asked("rules", "Can I return it within 30 days of delivery?"),
        asked("stranger", "Where is my order?", entities={"order": "o8"}),
    ]
    send(kafka_settings, requests, "requests")
    wait_until(lambda: answers(workers, len(requests)), 90, workers.keep_up, workers.told)
    told = answers(workers, len(requests))
    assert told["both"].text == f'"{LEFT}" [F1] "{POLICY}" [1]'
    assert [one.document_id for one in told["both"].citations] == ["returns.md"]
    assert {one.table: one.version for one in told["both"].feature_sources} == {
        "order_scans": order_scans.version,
        "order_steps": order_steps.version,
    }
    assert all(7_500 <= one.age_s < 7_800 for one in told["both"].feature_sources)
    assert told["both"].features["left_city"] == "Leipzig"
    assert told["order"].text == f'"{LEFT}" [F1]'
    assert told["rules"].text == f'"{POLICY}" [1]'
    assert told["stranger"].abstained
    assert {one.missing for one in told["stranger"].feature_sources} == {True}
    shown = CommandLine(kafka_settings, workers.home)(
        "ask", "Where is my order, and can I return it?", "--entity", "order=o7"
    )
    assert shown.returncode == 0, shown.stderr
    assert "[F1] order_status" in shown.stdout
    assert "order_scans o7 · 2 h ago" in shown.stdout
