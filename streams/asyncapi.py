"""The topics, messages and agents as one AsyncAPI 3.0 document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.kafka.admin import TopicDeclaration
from infra.settings import KafkaSettings
from streams.events import TRACE_BYTES
from streams.graph import AGENTS
from streams.topics import VERSION, declarations, topic_name

BINDING = "0.5.0"
"""Version of AsyncAPI's Kafka binding."""

DEAD_LETTERS = "dead-letters"
OVERVIEW = (
    "What Millrace reads from Kafka and what it publishes. Values are JSON in UTF-8, one record each; unknown fields "
    "are ignored, whole numbers are written without a decimal point. A change that breaks producers or readers is a "
    "new version of the topic. Dates lie between 1970 and a day after the record reached Kafka."
)
SECURITY: Mapping[str, str] = {"PLAIN": "plain", "SCRAM-SHA-256": "scramSha256", "SCRAM-SHA-512": "scramSha512"}
"""Kafka's SASL mechanisms in AsyncAPI's words."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one topic carries.

    Args:
        topic: Logical name.
        name: The word in CloudEvents' type.
        title: The record's name.
        description: What the record is.
        file: Where its JSON Schema is, beside the document.
        key: JSON Schema of the Kafka key.
        headers_required: Whether every message has CloudEvents headers: ours do, others' may.
    """

    topic: str
    name: str
    title: str
    description: str
    file: str
    key: Mapping[str, Any]
    headers_required: bool


def describe(messages: Sequence[Message], settings: KafkaSettings) -> dict[str, Any]:
    """Write the document.

    Args:
        messages: One a topic.
        settings: Where the broker is and how topics are named and made; nothing secret of it is told.
    """
    declared = {one.name: one for one in declarations(settings)}
    return {
        "asyncapi": "3.0.0",
        "id": "urn:millrace",
        "info": {
            "title": "Millrace",
            "version": VERSION,
            "description": OVERVIEW,
            "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"name": "reviews"}, {"name": "summaries"}],
        },
        "defaultContentType": "application/json",
        "servers": _servers(settings),
        "channels": {one.topic: _channel(one, declared[topic_name(settings.prefix, one.topic)]) for one in messages},
        "operations": dict(_operations(messages, settings.prefix)),
        "components": {"messages": {one.name: _message(one) for one in messages}} | _security_schemes(settings),
    }


def headers_of(document: Mapping[str, Any], message: str) -> dict[str, Any]:
    """Take the JSON Schema of a message's headers out of a document."""
    found: dict[str, Any] = document["components"]["messages"].get(message, {}).get("headers", {})
    return found


def key_of(document: Mapping[str, Any], message: str) -> dict[str, Any]:
    """Take the JSON Schema of a message's Kafka key out of a document."""
    bindings = document["components"]["messages"].get(message, {}).get("bindings", {})
    found: dict[str, Any] = bindings.get("kafka", {}).get("key", {})
    return found


def _servers(settings: KafkaSettings) -> dict[str, Any]:
    addresses = [address.strip() for address in settings.address.split(",")]
    server: dict[str, Any] = {
        "protocol": "kafka-secure" if settings.security_protocol.endswith("SSL") else "kafka",
        "description": "The local broker of `millrace up`." if settings.local else "The broker the settings name.",
    }
    if settings.security_protocol.startswith("SASL"):
        server |= {"security": [{"$ref": "#/components/securitySchemes/login"}]}
    names = ["kafka"] if len(addresses) == 1 else [f"kafka-{number}" for number in range(1, len(addresses) + 1)]
    return {name: {"host": address, **server} for name, address in zip(names, addresses, strict=True)}


def _security_schemes(settings: KafkaSettings) -> dict[str, Any]:
    if not settings.security_protocol.startswith("SASL"):
        return {}
    return {"securitySchemes": {"login": {"type": SECURITY[settings.sasl_mechanism]}}}


def _channel(message: Message, declared: TopicDeclaration) -> dict[str, Any]:
    kept = {} if declared.retention_ms is None else {"retention.ms": declared.retention_ms}
    return {
        "address": declared.name,
        "title": message.topic,
        "description": message.description,
        "messages": {message.name: {"$ref": f"#/components/messages/{message.name}"}},
        "bindings": {
            "kafka": {
                "topic": declared.name,
                "partitions": declared.partitions,
                "replicas": declared.replication,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    **kept,
                    "max.message.bytes": declared.max_message_bytes,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _message(message: Message) -> dict[str, Any]:
    return {
        "name": f"millrace.{message.name}.{VERSION}",
        "title": message.title,
        "description": message.description,
        "contentType": "application/json",
        "headers": _headers(message),
        "payload": {"$ref": f"./{message.file}"},
        "bindings": {"kafka": {"key": message.key, "bindingVersion": BINDING}},
    }


def _headers(message: Message) -> dict[str, Any]:
    always = {
        "ce_specversion": {"const": "1.0", "description": "CloudEvents in Kafka's binary mode."},
        "ce_id": {"type": "string", "minLength": 1, "description": "With ce_source, names this event among all."},
        "ce_type": {"const": f"millrace.{message.name}.{VERSION}"},
        "ce_source": {"type": "string", "format": "uri-reference", "minLength": 1, "description": "Who sent it."},
        "content-type": {"const": "application/json"},
    }
    time = {"ce_time": {"type": "string", "format": "date-time", "description": "When it happened."}}
    traces = {
        "traceparent": {"type": "string", "maxLength": TRACE_BYTES, "description": "W3C Trace Context, passed on."},
        "tracestate": {"type": "string", "maxLength": TRACE_BYTES},
    }
    required = {"required": [*always, *time]} if message.headers_required else {}
    return {"type": "object", "properties": always | time | traces} | required


def _operations(messages: Sequence[Message], prefix: str) -> Iterator[tuple[str, Any]]:
    by_topic = {one.topic: one for one in messages}
    made = {topic for agent in AGENTS.values() for topic in agent.outputs} | {DEAD_LETTERS}
    for topic, message in by_topic.items():
        if topic not in made:
            yield f"produce-sends-{topic}", _operation("send", message, "Sent by `millrace produce`, or by you.")
    for agent in AGENTS.values():
        group = {"groupId": {"type": "string", "const": f"{prefix}.{agent.name}"}, "bindingVersion": BINDING}
        for topic in agent.inputs:
            received = _operation("receive", by_topic[topic], f"Read by the agent {agent.name}.")
            yield f"{agent.name}-receives-{topic}", received | {"bindings": {"kafka": group}}
        for topic in (*agent.outputs, DEAD_LETTERS):
            told = f"Published by the agent {agent.name}."
            yield f"{agent.name}-sends-{topic}", _operation("send", by_topic[topic], told)


def _operation(action: str, message: Message, summary: str) -> dict[str, Any]:
    channel = f"#/channels/{message.topic}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": summary,
        "messages": [{"$ref": f"{channel}/messages/{message.name}"}],
    }
