"""The exported AsyncAPI document, as AsyncAPI's own parser reads it."""

import json
import re
from pathlib import Path

import pytest

from infra.settings import KafkaSettings
from infra.settings_reading import Secret
from streams.contracts import ASYNCAPI_FILE, CONTRACTS, exported
from streams.graph import AGENTS
from tests.contracts.conftest import PROGRAM

INFORMATION = 2
"""The parser's severities: 0 error, 1 warning, 2 information, 3 hint."""

CLUSTER = KafkaSettings(
    bootstrap="one.example:9092,two.example:9093",
    prefix="shop",
    security_protocol="SASL_SSL",
    sasl_mechanism="SCRAM-SHA-512",
    sasl_username="someone",
    sasl_password=Secret("hush"),
)


def export(folder: Path, settings: KafkaSettings) -> Path:
    folder.mkdir()
    for name, content in exported(settings).items():
        (folder / name).write_bytes(content)
    return folder / ASYNCAPI_FILE


def spoil(document: Path, name: str, old: bytes, new: bytes) -> Path:
    path = document.parent / name
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return document


@pytest.fixture(scope="module")
def found(parse_asyncapi, tmp_path_factory):
    """What the parser says of some documents: sound ones and spoilt ones, read in one go."""
    folder = tmp_path_factory.mktemp("asyncapi")
    documents = {
        "local": export(folder / "local", KafkaSettings()),
        "cluster": export(folder / "cluster", CLUSTER),
        "bad type": spoil(export(folder / "1", KafkaSettings()), "points.v1.json", b'"integer"', b'"intger"'),
        "bad operation": spoil(export(folder / "2", KafkaSettings()), ASYNCAPI_FILE, b'"receive"', b'"take"'),
        "bad reference": spoil(export(folder / "3", KafkaSettings()), ASYNCAPI_FILE, b"./points.v1", b"./point.v1"),
        "bad channel": spoil(export(folder / "4", KafkaSettings()), ASYNCAPI_FILE, b"channels/points/", b"channels/x/"),
    }
    return dict(zip(documents, parse_asyncapi(*documents.values()), strict=True))


@pytest.mark.parametrize("name", ["local", "cluster"])
def test_the_document_is_sound(found, name):
    assert [one for one in found[name]["diagnostics"] if one["severity"] < INFORMATION] == []


@pytest.mark.parametrize("name", ["bad type", "bad operation", "bad reference", "bad channel"])
def test_the_parser_would_have_told(found, name):
    assert [one for one in found[name]["diagnostics"] if one["severity"] == 0]


@pytest.mark.parametrize(("name", "prefix"), [("local", "millrace"), ("cluster", "shop")])
def test_it_says_what_each_agent_reads_and_publishes(found, name, prefix):
    told = {(one["id"], one["action"], *one["addresses"], *one["messages"]) for one in found[name]["operations"]}
    for agent in AGENTS.values():
        for action, verb, topics in (
            ("receive", "receives", agent.inputs),
            ("send", "sends", (*agent.outputs, "dead-letters")),
        ):
            for topic in topics:
                message = f"millrace.{CONTRACTS[topic].message}.v1"
                assert (f"{agent.name}-{verb}-{topic}", action, f"{prefix}.{topic}.v1", message) in told


def test_payloads_are_found_behind_their_references(found):
    fields = {one["messages"][0]: one["fields"] for one in found["local"]["operations"]}
    files = exported(KafkaSettings())
    for contract in CONTRACTS.values():
        assert fields[f"millrace.{contract.message}.v1"] == list(json.loads(files[contract.file])["properties"])


def test_the_lock_names_no_registry_and_every_hash():
    lock = (PROGRAM / "package-lock.json").read_text(encoding="utf-8")
    packages = {name: one for name, one in json.loads(lock)["packages"].items() if name}
    assert packages
    assert [name for name, one in packages.items() if "resolved" in one or "integrity" not in one] == []
    assert re.findall(r"https?://\S*(?:registry|npm|\.tgz)\S*", lock) == []
