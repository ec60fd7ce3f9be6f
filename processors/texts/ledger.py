"""Name a writer call by everything that decides its output."""

import hashlib
import json

import msgspec

from schemas.points import Reading


def canonical_input(reading: Reading) -> str:
    """Return the reading as JSON that is equal whenever the readings are.

    Neither the product's id nor its revision is part of it: equal points are one call, wherever they occur.
    """
    return msgspec.json.encode(reading, order="deterministic").decode()


def ledger_key(engine: str, model: str, prompt_version: str, parameters: str, input: str) -> str:  # noqa: A002 - the design's word
    """Return the SHA-256 (64 hex digits) of a call.

    The five parts are hashed as one JSON list, so that no two different calls share an encoding.

    Args:
        engine: ``extractive``, ``openai``, ``local``.
        model: The model's name and version.
        prompt_version: Version of the instructions, or of the algorithm.
        parameters: Decode parameters, canonical.
        input: What is written from, see ``canonical_input``.

    Example:
        >>> ledger_key("a", "bc", "", "", "") == ledger_key("ab", "c", "", "", "")
        False
    """
    parts = json.dumps([engine, model, prompt_version, parameters, input], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(parts.encode("ascii")).hexdigest()
