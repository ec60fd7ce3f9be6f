"""Tables of an agent's own store, as SQLAlchemy Core.

Every agent has the ``delivery`` tables beside its own results, in one file (or Postgres schema),
so that one transaction moves fence, state, work and outbox together.
"""

import sqlalchemy as sa

from schemas.answer_tables import answer
from schemas.feature_tables import featurize
from schemas.index_tables import index

delivery = sa.MetaData()

fences = sa.Table(
    "fences",
    delivery,
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("next_offset", sa.BigInteger, nullable=False),  # every event below it is in the state
    sa.Column("cluster_id", sa.String, nullable=False),
    sa.Column("topic_id", sa.String, nullable=False),  # a recreated topic has another
)

outbox = sa.Table(
    "outbox",
    delivery,
    sa.Column("seq", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("input_topic", sa.String, nullable=False),
    sa.Column("input_partition", sa.Integer, nullable=False),
    sa.Column("input_offset", sa.BigInteger, nullable=False),
    sa.Column("topic", sa.String, nullable=False),
    sa.Column("key", sa.LargeBinary),
    sa.Column("value", sa.LargeBinary),
    sa.Column("headers", sa.LargeBinary, nullable=False),  # JSON [[name, base64], ...]
    sa.Index("outbox_by_input", "input_topic", "input_partition", "seq"),
    sqlite_autoincrement=True,  # a reused seq would let a zombie's late delete take new rows
)

work = sa.Table(
    "work",
    delivery,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),  # newest wins
    sa.Column("reason", sa.String, nullable=False),
    sa.Column("input_topic", sa.String, nullable=False),
    sa.Column("input_partition", sa.Integer, nullable=False),
    sa.Column("input_offset", sa.BigInteger, nullable=False),
    sa.Column("not_before", sa.Float, nullable=False),  # unix seconds
    sa.Column("deadline", sa.Float, nullable=False),  # unix seconds; not_before never moves past it
    sa.Column("lease_owner", sa.String),
    sa.Column("lease_until", sa.Float),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("last_error", sa.String),
    sa.Column("trace", sa.LargeBinary),  # trace context of the newest input: JSON [[name, base64], ...]
    sa.Index("work_by_time", "kind", "not_before"),
)

work_inputs = sa.Table(
    "work_inputs",
    delivery,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("leased", sa.Boolean, primary_key=True),  # events that came during a lease are kept apart
    sa.Column("oldest_offset", sa.BigInteger, nullable=False),
)

timers = sa.Table(
    "timers",
    delivery,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("due_at", sa.Float, nullable=False),  # unix seconds; pushed back by news, never past the deadline
    sa.Column("deadline", sa.Float, nullable=False),  # unix seconds
    sa.Column("trace", sa.LargeBinary),  # as in work
    sa.Index("timers_by_time", "due_at"),
)

timer_inputs = sa.Table(
    "timer_inputs",
    delivery,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("oldest_offset", sa.BigInteger, nullable=False),
)

ledger = sa.Table(
    "ledger",
    delivery,
    sa.Column("ledger_key", sa.String, primary_key=True),  # hash of engine, model, prompt version, parameters, input
    sa.Column("engine", sa.String, nullable=False),
    sa.Column("model", sa.String, nullable=False),
    sa.Column("prompt_version", sa.String, nullable=False),
    sa.Column("output", sa.String, nullable=False),
    sa.Column("tokens_in", sa.Integer, nullable=False),
    sa.Column("tokens_out", sa.Integer, nullable=False),
    sa.Column("latency_ms", sa.Float, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),  # unix seconds
    sa.Column("subject", sa.String),  # key of what it was written for; forgetting there removes it
    sa.Column("cost", sa.Float, nullable=False, server_default="0"),  # by the prices that were set then
    sa.Column("said", sa.String),  # the model's own words where the output was made out of them
    sa.Column("failure", sa.String),  # why it brought nothing and never will; the output is then empty
    sa.Index("ledger_by_subject", "subject"),
)

usage = sa.Table(  # what calls cost; it stays when the ledger forgets
    "usage",
    delivery,
    sa.Column("day", sa.String, primary_key=True),  # UTC, as 2026-11-22
    sa.Column("engine", sa.String, primary_key=True),
    sa.Column("model", sa.String, primary_key=True),
    sa.Column("prompt_version", sa.String, primary_key=True),
    sa.Column("calls", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.BigInteger, nullable=False),  # of these calls
    sa.Column("hits", sa.BigInteger, nullable=False),  # calls not made: the ledger had them
    sa.Column("tokens_in", sa.BigInteger, nullable=False),
    sa.Column("tokens_out", sa.BigInteger, nullable=False),
    sa.Column("cost", sa.Float, nullable=False),
    sa.Column("latency_ms", sa.Float, nullable=False),  # of all calls together
)

spending = sa.Table(  # what calls for one key cost on one day, for its budget
    "spending",
    delivery,
    sa.Column("day", sa.String, primary_key=True),
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("cost", sa.Float, nullable=False),
)

digest = sa.MetaData()

products = sa.Table(
    "products",
    digest,
    sa.Column("product_id", sa.String, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),  # moves with every change: compare before write
    sa.Column("revision", sa.BigInteger, nullable=False),  # of the points last published
    sa.Column("review_count", sa.BigInteger, nullable=False),
    sa.Column("sources", sa.LargeBinary, nullable=False),  # JSON, see schemas.records.Sources
    sa.Column("next_ordinal", sa.BigInteger, nullable=False),  # of the next review to arrive
    sa.Column("base_ordinal", sa.BigInteger, nullable=False),  # traces below it are in the part "base"
    sa.Column("forgotten", sa.LargeBinary, nullable=False),  # JSON, see schemas.points.Forgotten
)

product_parts = sa.Table(
    "product_parts",
    digest,
    sa.Column("product_id", sa.String, primary_key=True),
    sa.Column("part", sa.String, primary_key=True),  # "head", "base" or a band's name
    sa.Column("state", sa.LargeBinary, nullable=False),
)

reviews = sa.Table(
    "reviews",
    digest,
    sa.Column("product_id", sa.String, primary_key=True),
    sa.Column("review_id", sa.String, primary_key=True),
    sa.Column("ordinal", sa.BigInteger, nullable=False),  # order of arrival in the product, from 0; an edit keeps it
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Review as JSON
    sa.Column("at", sa.Float, nullable=False),  # unix seconds: created_at, or the Kafka timestamp
    sa.Column("trace", sa.LargeBinary, nullable=False),  # which clusters it touched
    sa.Index("reviews_by_arrival", "product_id", "ordinal", unique=True),
)

tombstones = sa.Table(
    "tombstones",
    digest,
    sa.Column("product_id", sa.String, primary_key=True),
    sa.Column("review_id", sa.String, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),  # of the deletion; older upserts change nothing
)

summarize = sa.MetaData()

summaries = sa.Table(
    "summaries",
    summarize,
    sa.Column("product_id", sa.String, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),  # of the summary last published
    sa.Column("points_revision", sa.BigInteger, nullable=False),  # of the points it shows
    sa.Column("points", sa.LargeBinary, nullable=False),  # the Points record as JSON
    sa.Column("text_points", sa.LargeBinary),  # the Reading the text was written from, as JSON
    sa.Column("text_forgotten", sa.BigInteger),  # reviews the product had forgotten by then
    sa.Column("record", sa.LargeBinary, nullable=False),  # the Summary as published
    sa.Column("review_count", sa.BigInteger, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),  # unix seconds
    sa.Column("wanted", sa.LargeBinary),  # what its next text is to be written from, as JSON; none while none is wanted
    sa.Index("summaries_by_time", "updated_at"),
)

GROUPS = {
    "delivery": delivery,
    "digest": digest,
    "summarize": summarize,
    "index": index,
    "answer": answer,
    "featurize": featurize,
}
"""Tables by what needs them."""

STORES = {agent: ("delivery", agent) for agent in ("digest", "summarize", "index", "answer", "featurize")}
"""The groups in each agent's store."""
