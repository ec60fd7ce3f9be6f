"""Every setting there is: defaults here, then ``millrace.toml``, then the environment."""

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self, get_type_hints
from urllib.parse import urlsplit

from infra.errors import SettingsError
from infra.model_settings import (
    AnswerSettings,
    FeatureSettings,
    GatewaySettings,
    IndexSettings,
    LocalSettings,
    WriterSettings,
)
from infra.settings_reading import Declared, Meaning, Secret, check_known, declared, flatten, parse

FILE_NAME = "millrace.toml"

_SCHEMA = re.compile(r"(?!pg_)[a-z][a-z0-9_]{0,39}")

NOT_SETTINGS = ("MILLRACE_CONFIG", "MILLRACE_CRASH_AT")
"""Variables of ours that are no settings: where the file is, and where a test wants us to die."""


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where the broker is, how to log in, and how topics are made."""

    bootstrap: Annotated[
        str | None,
        Meaning(
            "host:port[,host:port] of a broker that already runs; empty starts one of our own", short="MILLRACE_KAFKA"
        ),
    ] = None
    prefix: Annotated[str, Meaning("first part of every topic's name and consumer group")] = "millrace"
    partitions: Annotated[int, Meaning("partitions of a topic when it is created", minimum=1)] = 8
    replication: Annotated[int, Meaning("copies of a topic when it is created; 3 on a cluster", minimum=1)] = 1
    retention_hours: Annotated[int, Meaning("how long topics keep records; what stands is in SQL", minimum=1)] = 168
    security_protocol: Annotated[
        str, Meaning("how to talk to the broker", choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"))
    ] = "PLAINTEXT"
    sasl_mechanism: Annotated[
        str, Meaning("how to log in, with SASL_*", choices=("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"))
    ] = "PLAIN"
    sasl_username: Annotated[str | None, Meaning("user, with SASL_*")] = None
    sasl_password: Annotated[Secret | None, Meaning("password, with SASL_*")] = None
    ssl_cafile: Annotated[Path | None, Meaning("certificate authority (PEM), with *SSL; empty trusts the system's")] = (
        None
    )
    ssl_certfile: Annotated[Path | None, Meaning("our own certificate (PEM), with *SSL")] = None
    ssl_keyfile: Annotated[Path | None, Meaning("the key of our own certificate (PEM), with *SSL")] = None
    local_port: Annotated[int, Meaning("port of our own broker, on 127.0.0.1", minimum=1, maximum=65535)] = 29092
    local_heap_mb: Annotated[int, Meaning("memory of our own broker's Java heap", minimum=256)] = 256
    local_jars: Annotated[
        Path | None, Meaning("folder of our own broker's programs; empty is jars/ under home", short="MILLRACE_JARS")
    ] = None

    def __post_init__(self) -> None:
        for address in self.bootstrap.split(",") if self.bootstrap else ():
            host, _, port = address.rpartition(":")
            if not host or not port.isdecimal():
                raise SettingsError(f"kafka.bootstrap: {address!r} is no host:port", "Set MILLRACE_KAFKA=host:9092.")

    @property
    def local(self) -> bool:
        """Whether the broker is our own."""
        return self.bootstrap is None

    @property
    def address(self) -> str:
        """``host:port[,host:port]`` to connect to."""
        return self.bootstrap or f"127.0.0.1:{self.local_port}"


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """Where state lives."""

    url: Annotated[
        Secret | None,
        Meaning(
            "postgresql://user:password@host:port/database; empty is SQLite files under home", short="MILLRACE_SQL"
        ),
    ] = None
    schema_prefix: Annotated[str, Meaning("first part of the name of every agent's schema in Postgres")] = "millrace"

    def __post_init__(self) -> None:
        if self.url is not None:
            _check_database(self.url.reveal())
        if not _SCHEMA.fullmatch(self.schema_prefix):
            told = f"sql.schema_prefix: {self.schema_prefix!r} is no name of a schema"
            raise SettingsError(told, "Use up to 40 small letters, digits and _, a letter first, and not pg_.")


@dataclass(frozen=True, slots=True)
class MilvusSettings:
    """Where vectors live."""

    uri: Annotated[
        Secret | None, Meaning("address of a Milvus; empty starts one of our own", short="MILLRACE_MILVUS")
    ] = None
    token: Annotated[Secret | None, Meaning("user:password or token, where a Milvus wants one")] = None
    local_port: Annotated[int, Meaning("first of 12 ports of our own Milvus", minimum=1, maximum=65523)] = 29530
    tick_ms: Annotated[int, Meaning("how often our own Milvus lets new rows be seen; 20 costs CPU", minimum=10)] = 200

    @property
    def local(self) -> bool:
        """Whether the Milvus is our own."""
        return self.uri is None


@dataclass(frozen=True, slots=True)
class DigestSettings:
    """How reviews become points."""

    unread_s: Annotated[float, Meaning("points of a busy product are read at the latest after this", minimum=0)] = 30.0
    quiet_s: Annotated[float, Meaning("points are read when a product had no review for this long", minimum=0)] = 5.0
    run_size: Annotated[int, Meaning("records of one partition handled in one transaction, at most", minimum=1)] = 500
    cached_products: Annotated[int, Meaning("products kept in memory", minimum=1)] = 5_000


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where Prometheus finds the metrics of all workers: http://HOST:PORT/metrics."""

    port: Annotated[int, Meaning("port of the supervisor's metrics; 0 serves none", minimum=0, maximum=65535)] = 9464
    host: Annotated[str, Meaning("address to listen at; 0.0.0.0 lets other machines ask")] = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How logs look."""

    format: Annotated[str, Meaning("console for people, json for machines", choices=("console", "json"))] = "console"
    level: Annotated[str, Meaning("the least that is logged", choices=("debug", "info", "warning", "error"))] = "info"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set.

    Example:
        >>> settings = Settings.from_env({"MILLRACE_KAFKA": "kafka.example:9092"})
        >>> settings.kafka.address, settings.writer.use
        ('kafka.example:9092', 'extractive')
        >>> Settings.from_env({"MILLRACE_WRITR": "extractive"})
        Traceback (most recent call last):
        ...
        infra.errors.SettingsError: unknown setting MILLRACE_WRITR in the environment. Did you mean MILLRACE_WRITER?
    """

    home: Annotated[Path, Meaning("folder of everything the local stack keeps")] = Path(".millrace")
    kafka: KafkaSettings = KafkaSettings()
    sql: SqlSettings = SqlSettings()
    milvus: MilvusSettings = MilvusSettings()
    writer: WriterSettings = WriterSettings()
    local: LocalSettings = LocalSettings()
    digest: DigestSettings = DigestSettings()
    index: IndexSettings = IndexSettings()
    answer: AnswerSettings = AnswerSettings()
    features: FeatureSettings = FeatureSettings()
    gateway: GatewaySettings = GatewaySettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    origins: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], toml_path: Path | None = None) -> Self:
        """Read the settings file, then the environment over it.

        Args:
            environ: Environment variables; only those that start with ``MILLRACE_`` count.
            toml_path: The file; none means MILLRACE_CONFIG, or no file at all.

        Raises:
            SettingsError: If the file cannot be read, or a setting is unknown or has a value it cannot have.
        """
        path = toml_path or (Path(environ["MILLRACE_CONFIG"]) if environ.get("MILLRACE_CONFIG") else None)
        known = declared(cls)
        found: dict[str, tuple[Any, str]] = {}
        if path is not None:
            found |= _from_file(path, known)
        found |= _from_environ(environ, known)
        values = {name: value for name, (value, _) in found.items()}
        return cls(
            **{name: value for name, value in values.items() if "." not in name},
            **{section: _section(cls, section, values) for section in _sections(known)},
            origins={one.name: found[one.name][1] if one.name in found else "default" for one in known},
        )


def _check_database(url: str) -> None:
    remedy = (
        "Set MILLRACE_SQL=postgresql://user:password@host:5432/database (other characters as %40), or leave it empty."
    )
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise SettingsError("sql.url: its host and port cannot be read", remedy) from None
    if parts.scheme not in ("postgresql", "postgres", "postgresql+psycopg") or not url.startswith(f"{parts.scheme}://"):
        raise SettingsError(f"sql.url: {parts.scheme or 'this'} is no database we can use; Postgres is", remedy)
    if not parts.path.strip("/"):
        raise SettingsError("sql.url: no database is named in it", remedy)


def _sections(known: list[Declared]) -> list[str]:
    return list(dict.fromkeys(one.name.split(".")[0] for one in known if "." in one.name))


def _section(settings: type[Settings], section: str, values: Mapping[str, Any]) -> Any:
    kind = get_type_hints(settings)[section]
    own = {name.removeprefix(f"{section}."): value for name, value in values.items() if name.startswith(f"{section}.")}
    return kind(**own)


def _from_file(path: Path, known: list[Declared]) -> dict[str, tuple[Any, str]]:
    try:
        flat = flatten(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(
            f"cannot read {path}: {error.strerror}", "Write one with `millrace config init`."
        ) from error
    except ValueError as error:
        raise SettingsError(f"{path} is no TOML: {error}", "Compare with `millrace config init --print`.") from error
    check_known(list(flat), [one.name for one in known], str(path))
    source = str(path)
    return {one.name: (parse(one, flat[one.name], source), source) for one in known if one.name in flat}


def _from_environ(environ: Mapping[str, str], known: list[Declared]) -> dict[str, tuple[Any, str]]:
    ours = [name for name in environ if name.startswith("MILLRACE_") and name not in NOT_SETTINGS]
    check_known(ours, [variable for one in known for variable in one.variables], "the environment")
    found = {}
    for one in known:
        for variable in one.variables:
            if variable in environ:
                found[one.name] = (parse(one, environ[variable], variable), variable)
                break
    return found
