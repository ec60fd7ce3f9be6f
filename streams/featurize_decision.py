"""What some events make of features: everything that one transaction writes."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from infra import outbox
from infra.fences import Moved
from infra.outbox import Cause, Output
from infra.rows import feature_log_rows, feature_member_rows, feature_rows
from infra.rows.feature_log_rows import LogChange
from infra.rows.feature_member_rows import MemberRow
from infra.rows.feature_rows import RowChange
from streams.events import Rejection
from streams.featurizing.definitions import Definitions


@dataclass(slots=True)
class FeaturizeDecision:
    """See ``streams.events.Decision``.

    Args:
        definitions: By which it was decided.
        topic: Logical, of the events.
        known: Ids of those that were known before.
        members: Which rows held these.
        timed: Told when it is committed.
    """

    definitions: Definitions
    topic: str = ""
    known: Sequence[str] = ()
    members: Mapping[feature_member_rows.Place, MemberRow] = field(default_factory=dict)
    rejections: list[Rejection] = field(default_factory=list)
    outputs: list[tuple[Output, Cause]] = field(default_factory=list)
    log: Sequence[LogChange] = ()
    put: Collection[MemberRow] = ()
    gone: Collection[MemberRow] = ()
    rows: Sequence[RowChange] = ()
    withdrawn: list[Output] = field(default_factory=list)  # features of keys that have forgotten something
    timed: Callable[["FeaturizeDecision"], None] | None = None

    def write(self, connection: Connection) -> None:
        """Hold the definitions first: whoever holds them writes alone."""
        if not self.log:
            return
        self.definitions.hold(connection)
        if self.known and feature_member_rows.members_of(connection, self.topic, self.known) != self.members:
            raise Moved("an event was added to a row meanwhile")
        feature_log_rows.write_log(connection, self.log)
        feature_member_rows.write_members(connection, self.put, self.gone)
        feature_rows.write_rows(connection, self.rows)
        for output in self.withdrawn:  # what waits unpublished still tells what is forgotten
            outbox.supersede(connection, output.topic, output.key or b"", output)

    def committed(self) -> None:
        """Memory has it already; what is left is how long it took."""
        if self.timed is not None:
            self.timed(self)
