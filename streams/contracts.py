"""Every topic's contract, in one place, and the files it is handed out as."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from infra.settings import KafkaSettings
from schemas.answers import Answer
from schemas.compatibility import PRODUCERS, READERS, Break, breaks
from schemas.dead_letters import DeadLetter
from schemas.documents import Document
from schemas.events import Event
from schemas.features import Features
from schemas.feedback import Feedback
from schemas.indexed import Indexed
from schemas.json_schema import json_schema
from schemas.points import Points
from schemas.requests import Request
from schemas.reviews import Review
from schemas.summaries import Summary
from streams.asyncapi import Message, describe, headers_of, key_of
from streams.topics import VERSION

ASYNCAPI_FILE = "asyncapi.json"


@dataclass(frozen=True, slots=True)
class Contract:
    """What a topic carries and who relies on it.

    Args:
        topic: Logical name.
        message: The word in CloudEvents' type.
        record: What a value is.
        key: The field that is the Kafka key, or in words what is.
        read: Whether we read it: then what it takes may not shrink.
        published: Whether we publish it: then what it says may not grow, new fields aside.
    """

    topic: str
    message: str
    record: type[msgspec.Struct]
    key: str
    read: bool = False
    published: bool = False

    @property
    def file(self) -> str:
        """Name of its schema's file."""
        return f"{self.topic}.{VERSION}.json"


CONTRACTS: Mapping[str, Contract] = {
    one.topic: one
    for one in (
        Contract("reviews", "review", Review, "product_id", read=True),
        Contract("documents", "document", Document, "document_id", read=True),
        Contract("events", "event", Event, "the first entity's id", read=True),
        Contract("requests", "request", Request, "request_id", read=True),
        Contract("feedback", "feedback", Feedback, "target_id", read=True),
        Contract("points", "points", Points, "product_id", read=True, published=True),
        Contract("summaries", "summary", Summary, "product_id", published=True),
        Contract("features", "features", Features, "the table, a colon and the key", published=True),
        Contract("indexed", "indexed", Indexed, "document_id", read=True, published=True),
        Contract("answers", "answer", Answer, "request_id", published=True),
        # Read too: `millrace dead-letters` shows and replays those of earlier versions.
        Contract(
            "dead-letters", "dead-letter", DeadLetter, "the key of the event it tells of", read=True, published=True
        ),
    )
}


def exported(settings: KafkaSettings) -> dict[str, bytes]:
    """Write every contract down: a JSON Schema a topic, and one AsyncAPI document over all of them.

    Args:
        settings: Where the broker is and how topics are named and made; nothing secret of it is told.

    Returns:
        File name to content, the same bytes whenever nothing changed.

    Example:
        >>> list(exported(KafkaSettings()))[:2]
        ['reviews.v1.json', 'documents.v1.json']
    """
    schemas = {one.file: json_schema(one.record, one.topic, VERSION) for one in CONTRACTS.values()}
    messages = [_message(one, schemas[one.file]) for one in CONTRACTS.values()]
    files = schemas | {ASYNCAPI_FILE: describe(messages, settings)}
    return {
        name: msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n" for name, content in files.items()
    }


def broken(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> list[Break]:
    """Find what changed between two exports in a way that breaks producers or readers.

    Args:
        old: File name to content of the export others rely on; files that are no contract are left alone.
        new: The same of the export they would get.

    Raises:
        ValueError: If an old file is not what we export under its name.
    """
    found = []
    for one in CONTRACTS.values():
        if one.file in old:
            before, after = (_decoded(files, one.file, "$id") for files in (old, new))
            found += breaks(one.topic, before, after, read=one.read, published=one.published)
    if ASYNCAPI_FILE in old:
        found += _broken_messages(*(_decoded(files, ASYNCAPI_FILE, "asyncapi") for files in (old, new)))
    return found


def _decoded(files: Mapping[str, bytes], name: str, mark: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(files[name], type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ValueError(f"{name} is no JSON object: {error}") from error
    if mark not in found:
        raise ValueError(f"{name} has no {mark}: it is no export of ours")
    return found


def _broken_messages(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Break]:
    found = []
    for topic in old["channels"]:
        one = CONTRACTS.get(topic)
        if one is None:
            found.append(Break(topic, "", "topic removed", (PRODUCERS, READERS)))
            continue
        for what, part in (("headers", headers_of), ("key", key_of)):
            before, after = part(old, one.message), part(new, one.message)
            found += breaks(f"{topic} {what}", before, after, read=one.read, published=one.published)
    return found


def _message(contract: Contract, schema: Mapping[str, Any]) -> Message:
    return Message(
        topic=contract.topic,
        name=contract.message,
        title=schema["title"],
        description=schema["description"],
        file=contract.file,
        key={"description": contract.key, **schema["properties"].get(contract.key, {})},
        headers_required=contract.published,
    )
