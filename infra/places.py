"""Where an agent's state lives: one SQLite file, or one schema in a Postgres."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.engine.url import URL

from infra.settings_reading import Secret


@dataclass(frozen=True, slots=True)
class StorePlace:
    """One agent's store, wherever it is.

    Args:
        agent: Whose state.
        home: ``MILLRACE_HOME``; the file lives under it.
        url: ``postgresql://...``; none is a SQLite file.
        schema_prefix: First part of the schema's name.

    Example:
        >>> StorePlace("digest", Path(".millrace")).label
        '.millrace/state/digest.db'
        >>> StorePlace("digest", Path(".millrace"), Secret("postgresql://me:hunter2@db.example/shop")).label
        'db.example:5432/shop, schema millrace_digest'
    """

    agent: str
    home: Path
    url: Secret | None = None
    schema_prefix: str = "millrace"

    @property
    def path(self) -> Path:
        """The file, without a URL."""
        return self.home / "state" / f"{self.agent}.db"

    @property
    def schema(self) -> str:
        """The schema, with a URL."""
        return f"{self.schema_prefix}_{self.agent}"

    @property
    def label(self) -> str:
        """The place for people, without credentials."""
        if self.url is None:
            return self.path.as_posix()
        url = self.address()
        return f"{url.host or 'local socket'}:{url.port or 5432}/{url.database or ''}, schema {self.schema}"

    def address(self) -> URL:
        """Return the URL as SQLAlchemy wants it, with the driver we use.

        Raises:
            ValueError: If there is none, or it is no URL; settings are checked when they are read.
        """
        if self.url is None:
            raise ValueError(f"{self.agent} has a file, no address")
        return make_url(self.url.reveal()).set(drivername="postgresql+psycopg")
