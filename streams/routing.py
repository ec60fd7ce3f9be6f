"""One agent that reads several topics: each has a handler of its own, and they share the store."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from streams.events import Decision, Event, Handler, logical


class ByTopic:
    """Hands each run to the handler of its topic; see ``streams.events.Handler``.

    Args:
        handlers: By logical topic.
    """

    def __init__(self, handlers: Mapping[str, Handler[Any]]) -> None:
        self._handlers = handlers
        self.records: Mapping[str, type[msgspec.Struct]] = {
            topic: handler.records[topic] for topic, handler in handlers.items()
        }

    def decide(self, events: Sequence[Event[Any]], following: int) -> Decision:
        """Let the topic's handler decide; a run is of one partition, therefore of one topic."""
        topic = logical(events[0].cause.topic) if events else next(iter(self._handlers))
        return self._handlers[topic].decide(events, following)

    def forget(self) -> None:
        """Drop all cached state."""
        for handler in self._handlers.values():
            handler.forget()
