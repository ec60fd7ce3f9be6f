"""What we publish is what the exported schemas promise: values, keys and headers."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

from streams.asyncapi import headers_of, key_of
from streams.contracts import ASYNCAPI_FILE, CONTRACTS
from streams.events import logical

EXPORTED = Path(__file__).parents[2] / "schemas" / "exported"
DOCUMENT = json.loads((EXPORTED / ASYNCAPI_FILE).read_text(encoding="utf-8"))
PUBLISHED = [one for one in CONTRACTS.values() if one.published]


def problems(schema: dict, value: object) -> list[str]:
    found = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).iter_errors(value)
    return [f"{one.json_path}: {one.message}" for one in found]


def test_every_published_record_is_what_its_schema_says(published):
    schemas = {one.topic: json.loads((EXPORTED / one.file).read_text(encoding="utf-8")) for one in PUBLISHED}
    for output in published:
        assert problems(schemas[logical(output.topic)], json.loads(output.value)) == []


def test_every_published_record_has_the_headers_and_the_key_it_should(published):
    for output in published:
        contract = CONTRACTS[logical(output.topic)]
        headers = {name: value.decode() for name, value in output.headers.items()}
        assert problems(headers_of(DOCUMENT, contract.message), headers) == []
        assert set(headers) <= set(headers_of(DOCUMENT, contract.message)["properties"])
        if contract.topic != "dead-letters":
            record = json.loads(output.value)
            named = f"{record['table']}:{record['key']}" if contract.topic == "features" else record[contract.key]
            assert output.key.decode() == named
            assert problems(key_of(DOCUMENT, contract.message), output.key.decode()) == []


def test_what_is_checked_is_of_every_kind(published):
    """The checks above would say nothing of a kind that is not there."""
    found: dict[str, list[dict]] = {one.topic: [] for one in PUBLISHED}
    for output in published:
        found[logical(output.topic)].append(json.loads(output.value))
    assert {one["op"] for one in found["points"]} == {one["op"] for one in found["summaries"]} == {"upsert", "delete"}
    assert {one["op"] for one in found["features"]} == {"upsert", "delete"}
    assert any(one["forgotten"]["count"] for one in found["points"])
    assert any(band["points"] for one in found["points"] for band in one["bands"].values())
    assert {one["text"] is None for one in found["summaries"]} == {True, False}
    assert {one["reason"] for one in found["dead-letters"]} == {
        "invalid_field",
        "not_json",
        "records_lost",
        "output_too_large",
    }
