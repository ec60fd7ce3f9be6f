"""What can go wrong with the things around us, each with what to do about it.

Errors:
    InfraError
    ├── SettingsError        a setting nobody knows, or with a value it cannot have
    ├── ProgramMissing       java or maven is not installed
    ├── PortTaken            something else listens where our broker should
    ├── LocalStackFailed     a part of the local stack did not start or stop
    ├── BrokerUnreachable    nothing answers at the broker's address
    ├── BrokerRefused        the broker answered, and said no
    └── TopicMissing         a topic that should exist does not
"""


class InfraError(Exception):
    """A failure a person can do something about.

    Args:
        message: What happened and where, one line.
        remedy: What to do, one line.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}"


class SettingsError(InfraError):
    """A setting nobody knows, or with a value it cannot have."""


class ProgramMissing(InfraError):
    """A program the local stack needs is not installed."""


class PortTaken(InfraError):
    """Something else listens where our broker should."""


class LocalStackFailed(InfraError):
    """A part of the local stack did not start or stop."""


class BrokerUnreachable(InfraError):
    """Nothing answers at the broker's address.

    Args:
        bootstrap: The address that was tried, ``host:port[,host:port]``.
        why: The client's own words, when they tell more.
    """

    def __init__(self, bootstrap: str, why: str = "") -> None:
        super().__init__(
            f"no Kafka broker answers at {bootstrap}" + (f" ({why})" if why else ""),
            "Start one with `millrace up`, or name yours in MILLRACE_KAFKA=host:port.",
        )
        self.bootstrap = bootstrap


class BrokerRefused(InfraError):
    """The broker answered, and said no."""


class TopicMissing(InfraError):
    """A topic that should exist does not.

    Args:
        topics: The missing names.
    """

    def __init__(self, topics: list[str]) -> None:
        super().__init__(f"topic missing: {', '.join(topics)}", "Create it with `millrace topics apply`.")
        self.topics = topics
