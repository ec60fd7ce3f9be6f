"""Feature tables in memory: events go in, and rows are read as the online reader does."""

from datetime import datetime

from processors.features.contributing import contribution
from processors.features.reading import read_features
from processors.features.records import microseconds, row_of
from processors.features.serving.ports import Found
from processors.features.tiles import add, new_state, prune
from schemas.events import Event


class Memory:
    """Keeps tables; ``reads`` tells what was asked for in each go."""

    def __init__(self, *tables):
        self.tables = {one.name: one for one in tables}
        self.states = {}
        self.reads = []

    def put(self, kind, at, entity, **values):
        at = datetime.fromisoformat(at)
        event = Event(event_id=f"e{at}{kind}{entity}", type=kind, entity=entity, values=values, occurred_at=at)
        at_us = microseconds(at)
        for table in self.tables.values():
            added = contribution(table, row_of(event, at))
            if added is not None:
                state = self.states.setdefault((table.name, added.key), new_state(table.shape))
                add(table.shape, state, (at_us, event.event_id), added.values, at_us)
                prune(table.shape, state)

    def read(self, requests, at_us):
        self.reads.append(list(requests))
        return [self._found(one, at_us) for one in requests]

    def _found(self, request, at_us):
        table = self.tables[request.table]
        state = self.states.get((request.table, request.key))
        if state is None:
            return Found(read_features(table.shape, new_state(table.shape), 0), None, True, table.version)
        at_us = state.newest_us if at_us is None else at_us
        return Found(read_features(table.shape, state, at_us), state.newest_us, False, table.version)
