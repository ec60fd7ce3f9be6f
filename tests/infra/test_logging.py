import io
import json
import logging

import pytest
import structlog

from infra.logging import configure_logging


@pytest.fixture
def configured():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield configure_logging
    root.handlers, root.level = before[0], before[1]
    structlog.reset_defaults()


def test_json_is_one_line_an_event_with_stable_names(configured):
    stream = io.StringIO()
    configured("json", "info", stream)
    structlog.get_logger("supervisor").info("worker started", agent="digest", slot=0)
    logging.getLogger("somebody").warning("hello %s", "you")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        structlog.get_logger("worker").exception("failed")
    ours, theirs, failed = (json.loads(line) for line in stream.getvalue().splitlines())
    assert ours.pop("at").endswith("Z")
    assert ours == {"level": "info", "logger": "supervisor", "event": "worker started", "agent": "digest", "slot": 0}
    assert (theirs["logger"], theirs["event"]) == ("somebody", "hello you")
    assert "ValueError" in failed["exception"]


def test_what_is_below_the_level_is_silent_and_libraries_are_quieter(configured):
    stream = io.StringIO()
    configured("console", "warning", stream)
    structlog.get_logger("worker").info("nothing")
    logging.getLogger("kafka.client").error("it will be raised anyway")
    logging.getLogger("faust.app").info("chatter")
    assert stream.getvalue() == ""
    structlog.get_logger("worker").warning("something", lag=3)
    assert "something" in stream.getvalue()
    assert "lag=3" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
