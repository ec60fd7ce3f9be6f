"""What is asked of models, and how a call is named."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from processors.texts.ledger import ledger_key

Request = TypeVar("Request")


class Model(Protocol):
    """What a writer and an answerer tell of themselves; see ``models.ports``."""

    engine: str
    prompt_version: str
    parameters: str
    endpoint: str

    @property
    def model(self) -> str:
        """Its name and version now."""
        ...


@dataclass(frozen=True, slots=True)
class Ask(Generic[Request]):
    """One text that is wanted, whoever writes it.

    Args:
        subject: Whose it is, for the log.
        key: Equal keys go to the same part of a split.
        account: Product its cost is counted for; none is nobody's.
        given: All that it is written from, canonical.
        request: The same for the model.
        refresh: Whether it is asked for only because it is cheap.
    """

    subject: str
    key: str
    account: str | None
    given: str
    request: Request
    refresh: bool = False


class Named(Protocol):
    """What tells which model it is, or was written by."""

    @property
    def engine(self) -> str:
        """``openai``, ``local`` or ``extractive``."""
        ...

    @property
    def model(self) -> str:
        """Its name there."""
        ...


def name_of(one: Named) -> str:
    """Name a model for people, as settings do.

    Args:
        one: A writer, an answerer, or the ledger's entry of one.
    """
    return f"{one.engine}:{one.model}"


def call_key(model: Model, given: str, name: str | None = None) -> str:
    """Name a call by everything that decides its output.

    Args:
        model: Who is asked.
        given: What the text is written from.
        name: Which model it was, where that is known better than by looking now: adapters are exchanged.
    """
    return ledger_key(
        model.engine, model.model if name is None else name, model.prompt_version, model.parameters, given
    )
