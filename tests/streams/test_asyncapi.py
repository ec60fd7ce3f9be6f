import msgspec
import pytest

from infra.settings import KafkaSettings
from infra.settings_reading import Secret
from streams.asyncapi import headers_of, key_of
from streams.contracts import ASYNCAPI_FILE, CONTRACTS, exported
from streams.topics import TOPICS, declarations


def document(**settings: object) -> dict:
    return msgspec.json.decode(exported(KafkaSettings(**settings))[ASYNCAPI_FILE])


def test_the_local_broker_is_the_server_unless_settings_name_one():
    assert {one["host"] for one in document()["servers"].values()} == {"127.0.0.1:29092"}
    servers = document(bootstrap="one.example:9092,two.example:9093")["servers"]
    assert {name: one["host"] for name, one in servers.items()} == {
        "kafka-1": "one.example:9092",
        "kafka-2": "two.example:9093",
    }


@pytest.mark.parametrize(
    ("protocol", "mechanism", "told", "scheme"),
    [
        ("PLAINTEXT", "PLAIN", "kafka", None),
        ("SSL", "PLAIN", "kafka-secure", None),
        ("SASL_PLAINTEXT", "PLAIN", "kafka", "plain"),
        ("SASL_SSL", "SCRAM-SHA-256", "kafka-secure", "scramSha256"),
        ("SASL_SSL", "SCRAM-SHA-512", "kafka-secure", "scramSha512"),
    ],
)
def test_it_says_how_to_log_in(protocol, mechanism, told, scheme):
    found = document(security_protocol=protocol, sasl_mechanism=mechanism)
    schemes = found["components"].get("securitySchemes", {})
    assert found["servers"]["kafka"]["protocol"] == told
    assert [one["type"] for one in schemes.values()] == ([scheme] if scheme else [])
    assert ("security" in found["servers"]["kafka"]) == bool(scheme)


def test_nobody_and_nothing_secret_is_named():
    login = {"sasl_username": "someone-private", "sasl_password": Secret("hush-hush"), "ssl_cafile": "/private/ca.pem"}
    files = exported(KafkaSettings(security_protocol="SASL_SSL", **login))
    assert not any(word in b"".join(files.values()) for word in (b"someone", b"hush", b"private"))


def test_channels_are_the_topics_as_they_are_created():
    settings = KafkaSettings(prefix="shop", partitions=3, replication=2)
    channels = msgspec.json.decode(exported(settings)[ASYNCAPI_FILE])["channels"]
    assert list(channels) == list(TOPICS)
    for channel, declared in zip(channels.values(), declarations(settings), strict=True):
        kafka = channel["bindings"]["kafka"]
        assert channel["address"] == kafka["topic"] == declared.name
        assert (kafka["partitions"], kafka["replicas"]) == (3, 2)
        told = kafka["topicConfiguration"]
        assert {name: str(told[name]) for name in ("retention.ms", "max.message.bytes")} == {
            name: declared.configuration[name] for name in ("retention.ms", "max.message.bytes")
        }
        assert told["cleanup.policy"] == [declared.configuration["cleanup.policy"]]


def test_every_message_says_what_its_key_is():
    found = document()
    assert key_of(found, "review")["description"] == "product_id"
    assert key_of(found, "review")["maxLength"] == 200
    assert all(key_of(found, one.message)["description"] for one in CONTRACTS.values())


def test_headers_are_asked_of_us_and_not_of_others():
    found = document()
    for contract in CONTRACTS.values():
        headers = headers_of(found, contract.message)
        assert bool(headers.get("required")) == contract.published
        assert headers["properties"]["ce_type"]["const"] == f"millrace.{contract.message}.v1"
        assert {"traceparent", "tracestate"} <= set(headers["properties"]) - set(headers.get("required", ()))


def test_a_message_that_is_not_there_has_no_headers_and_no_key():
    assert (headers_of(document(), "nothing"), key_of(document(), "nothing")) == ({}, {})
