"""What ``/serving-endpoints`` takes and answers: the published shape of Databricks' serving endpoints."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records as pandas writes them with ``orient="split"``."""

    columns: list[str]
    data: list[list[Any]]
    index: list[Any] | UnsetType = UNSET


class Invocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Records to be served: one of the two."""

    dataframe_records: list[dict[str, Any]] | UnsetType = UNSET
    dataframe_split: Split | UnsetType = UNSET
    client_request_id: str | UnsetType = UNSET  # the sender's own; nothing is done with it


class Predictions(msgspec.Struct, frozen=True):
    """One object for each record, in their order: its outputs, or a ``RowProblem``."""

    predictions: list[Any]


class RowProblem(msgspec.Struct, frozen=True):
    """Why there is nothing for one record, in its place; the request is answered with 200 all the same."""

    error: "RowError"


class RowError(msgspec.Struct, frozen=True):
    """Named as in RFC 9457."""

    type: str
    title: str
    detail: str


class State(msgspec.Struct, frozen=True):
    """Whether an endpoint can be asked."""

    ready: str = "READY"


class ServedEntity(msgspec.Struct, frozen=True):
    """What an endpoint serves: a feature spec, and what goes in and comes out."""

    name: str
    entity_name: str
    inputs: list[str]
    outputs: list[str]


class Config(msgspec.Struct, frozen=True):
    """What stands behind an endpoint."""

    served_entities: list[ServedEntity]


class Endpoint(msgspec.Struct, frozen=True):
    """One endpoint."""

    name: str
    state: State
    config: Config
    description: str


class Endpoints(msgspec.Struct, frozen=True):
    """All of them."""

    endpoints: list[Endpoint]
