"""Tables of featurize's store: the definitions that stand, the events they rest on, and a row for each key."""

import sqlalchemy as sa

featurize = sa.MetaData()

feature_definitions = sa.Table(
    "feature_definitions",
    featurize,
    sa.Column("name", sa.String, primary_key=True),  # of the table
    sa.Column("version", sa.String, primary_key=True),  # of its definition
    sa.Column("state", sa.String, nullable=False),  # building, live or retired
    sa.Column("shape", sa.LargeBinary, nullable=False),  # JSON, see processors.features.shape.TableShape
    sa.Column("described", sa.LargeBinary, nullable=False),  # JSON: source, description, place, for people
    sa.Column("cursor", sa.BigInteger, nullable=False),  # number of the last event of the log that was added
    sa.Column("goal", sa.BigInteger, nullable=False),  # number of the last event that was there when it began
    sa.Column("began_at", sa.Float, nullable=False),  # unix seconds
    sa.Column("live_at", sa.Float),  # unix seconds; none while it never was
)

feature_log = sa.Table(  # every event some table can use, once: the newest revision of each
    "feature_log",
    featurize,
    sa.Column("topic", sa.String, primary_key=True),  # logical
    sa.Column("record_id", sa.String, primary_key=True),  # event_id; of a review product_id/review_id, escaped
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("op", sa.String, nullable=False),  # a deleted one stays as a tombstone
    sa.Column("number", sa.BigInteger, nullable=False),  # grows with every change; never reused
    sa.Column("happened_us", sa.BigInteger, nullable=False),  # microseconds since 1970
    sa.Column("sent_us", sa.BigInteger, nullable=False),  # Kafka's timestamp, microseconds since 1970
    sa.Column("record", sa.LargeBinary),  # as it was sent; none of a tombstone
    sa.Index("feature_log_by_number", "number", unique=True),
    sa.Index("feature_log_by_sent", "sent_us"),
)

feature_members = sa.Table(  # which events a row holds: what is here was added, and nothing else
    "feature_members",
    featurize,
    sa.Column("version", sa.String, primary_key=True),  # of the definition
    sa.Column("topic", sa.String, primary_key=True),
    sa.Column("record_id", sa.String, primary_key=True),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("happened_us", sa.BigInteger, nullable=False),
    sa.Index("feature_members_by_key", "version", "key", "happened_us"),
)

feature_rows = sa.Table(
    "feature_rows",
    featurize,
    sa.Column("version", sa.String, primary_key=True),  # of the definition
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),  # moves with every change: compare before write
    sa.Column("state", sa.LargeBinary, nullable=False),  # MessagePack, see processors.features.tiles.KeyState
    sa.Column("newest_us", sa.BigInteger, nullable=False),  # when the newest event happened, microseconds since 1970
    sa.Column("sent_us", sa.BigInteger, nullable=False),  # Kafka's newest timestamp, microseconds since 1970
    sa.Column("written_us", sa.BigInteger, nullable=False),  # when it was written, microseconds since 1970
    sa.Column("expires_us", sa.BigInteger),  # when nothing of it is left; none for never
    sa.Column("sources", sa.LargeBinary, nullable=False),  # JSON, see schemas.records.Sources
    sa.Index("feature_rows_by_expiry", "expires_us"),
)

feature_copies = sa.Table(  # rows of tables that are kept in sync with a table or file elsewhere
    "feature_copies",
    featurize,
    sa.Column("name", sa.String, primary_key=True),  # of the table
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False),  # JSON object of values
    sa.Column("round", sa.BigInteger, nullable=False),  # of the copying that saw it last
    sa.Column("as_of_us", sa.BigInteger, nullable=False),  # microseconds since 1970
)

feature_copyings = sa.Table(
    "feature_copyings",
    featurize,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("version", sa.String, nullable=False),  # of the definition it was copied by
    sa.Column("round", sa.BigInteger, nullable=False),
    sa.Column("newest", sa.LargeBinary),  # JSON: the largest value of the column it is kept in sync by
    sa.Column("copied_at", sa.Float, nullable=False),  # unix seconds
    sa.Column("row_count", sa.BigInteger, nullable=False),
    sa.Column("error", sa.String),  # why the last try failed
)
