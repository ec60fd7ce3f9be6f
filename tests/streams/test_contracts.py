import copy
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from infra.settings import KafkaSettings
from streams import asyncapi
from streams.cli.sending.kinds import KINDS
from streams.contracts import ASYNCAPI_FILE, CONTRACTS, Contract, broken, exported
from streams.graph import AGENTS
from streams.topics import TOPICS

ROOT = Path(__file__).parents[2]
BASELINE = {path.name: path.read_bytes() for path in sorted((ROOT / "schemas" / "exported").iterdir())}
NOW = exported(KafkaSettings())
FIELDS = [
    (contract, part, name)
    for contract in CONTRACTS.values()
    for schema in [msgspec.json.decode(BASELINE[contract.file])]
    for part in (None, *schema.get("$defs", {}))
    for name in (schema["$defs"][part] if part else schema)["properties"]
]
"""Every field of every record of the baseline, those of records inside included."""


def test_no_change_breaks_those_who_rely_on_the_exported_contracts():
    found = "\n  ".join(map(str, broken(BASELINE, NOW)))
    assert not found, f"make it a new version of the topic instead:\n  {found}"


def test_the_exported_contracts_are_those_of_the_code():
    changed = sorted(name for name in {*BASELINE, *NOW} if BASELINE.get(name) != NOW.get(name))
    breaking = bool(broken(BASELINE, NOW))
    remedy = "it breaks somebody, see the test above" if breaking else "run `millrace schema export schemas/exported`"
    assert not changed, f"{', '.join(changed)} changed: {remedy}"


def test_the_same_contracts_are_the_same_bytes_in_any_process():
    script = (
        "import sys; from infra.settings import KafkaSettings; from streams.contracts import exported;"
        "sys.stdout.buffer.write(b''.join(exported(KafkaSettings()).values()))"
    )
    run = [sys.executable, "-c", script]
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        told = subprocess.run(run, env=environment, cwd=ROOT, capture_output=True, check=True).stdout
        assert told == b"".join(NOW.values())


def test_every_topic_has_a_contract():
    assert list(CONTRACTS) == list(TOPICS)


def test_what_people_send_is_read_under_the_names_they_send_it():
    for kind in KINDS.values():
        contract = CONTRACTS[kind.topic]
        assert (contract.record, contract.message, contract.read) == (kind.record, kind.singular, True)


def test_what_agents_read_and_publish_is_held_to():
    assert all(CONTRACTS[topic].read for agent in AGENTS.values() for topic in agent.inputs)
    published = {topic for agent in AGENTS.values() for topic in agent.outputs} | {"dead-letters"}
    assert published == {one.topic for one in CONTRACTS.values() if one.published}


def remove(schema: dict, name: str) -> None:
    del schema["properties"][name]
    schema["required"] = [one for one in schema["required"] if one != name]


def rename(schema: dict, name: str) -> None:
    schema["properties"][f"new_{name}"] = schema["properties"].pop(name)
    schema["required"] = [f"new_{one}" if one == name else one for one in schema["required"]]


def another(field: dict) -> dict:
    """A type that a field does not have yet."""
    return {"type": "null" if field.get("type") == "boolean" else "boolean"}


def replace(schema: dict, name: str) -> None:
    schema["properties"][name] = another(schema["properties"][name])


def narrow(schema: dict, name: str) -> None:
    schema["properties"][name]["not"] = {"const": "something"}


def widen(schema: dict, name: str) -> None:
    field = schema["properties"][name]
    default = {"default": field.pop("default")} if "default" in field else {}
    schema["properties"][name] = {"anyOf": [field, another(field)], **default}


def demand(schema: dict, name: str) -> None:
    schema["required"].append(name)


def release(schema: dict, name: str) -> None:
    schema["required"].remove(name)


def mutations(contract: Contract, *, required: bool) -> dict[str, Callable[[dict, str], None]]:
    """List what breaks a field, and whom."""
    found = {"removed": remove, "renamed": rename, "replaced": replace}
    if contract.read:
        found |= {"narrowed": narrow} | ({} if required else {"demanded": demand})
    if contract.published:
        found |= {"widened": widen} | ({"released": release} if required else {})
    return found


@pytest.mark.parametrize(("contract", "part", "name"), FIELDS)
def test_a_break_of_any_field_is_seen_and_named(contract, part, name):
    old = msgspec.json.decode(BASELINE[contract.file])
    required = name in (old["$defs"][part] if part else old)["required"]
    for how, mutate in mutations(contract, required=required).items():
        new = copy.deepcopy(old)
        mutate(new["$defs"][part] if part else new, name)
        told = [str(one) for one in broken({contract.file: BASELINE[contract.file]}, {contract.file: encoded(new)})]
        assert any(re.match(rf"{contract.topic}: (.+[.])?{name}[^:.]*: ", one) for one in told), (how, told)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.topic)
def test_a_new_optional_field_breaks_nobody_anywhere(contract):
    old = msgspec.json.decode(BASELINE[contract.file])
    new = copy.deepcopy(old)
    for part in (new, *new.get("$defs", {}).values()):
        part["properties"]["more"] = {"type": "string", "default": ""}
    assert broken({contract.file: encoded(old)}, {contract.file: encoded(new)}) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda document: document["channels"].update(gone={}),
            ["gone: topic removed (breaks producers and readers)"],
        ),
        (
            lambda document: asyncapi.headers_of(document, "points")["properties"].update(ce_more={}),
            ["points headers: ce_more: removed (breaks producers and readers)"],
        ),
        (
            lambda document: document["components"]["messages"]["review"]["bindings"]["kafka"]["key"].update(
                type="integer"
            ),
            ["reviews key: type integer became string (breaks producers)"],
        ),
    ],
)
def test_topics_headers_and_keys_are_held_to_as_well(change, told):
    old = msgspec.json.decode(NOW[ASYNCAPI_FILE])
    change(old)
    assert [str(one) for one in broken({ASYNCAPI_FILE: encoded(old)}, NOW)] == told


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'"reviews"'])
@pytest.mark.parametrize("name", ["reviews.v1.json", ASYNCAPI_FILE])
def test_what_is_no_export_is_told_apart(name, content):
    with pytest.raises(ValueError, match=name):
        broken({name: content}, NOW)


def test_a_file_that_is_not_ours_is_left_alone():
    assert broken({"README.md": b"#"}, NOW) == []


def encoded(schema: dict) -> bytes:
    return msgspec.json.encode(schema)
