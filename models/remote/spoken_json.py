"""JSON out of the words of a model, held to a schema.

Errors:
    UnfitError: what it said is no JSON of the schema; the text of the error can be shown to the model, its fault to all
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
from referencing import Registry

from models.remote.spoken_text import clean_value, without_thoughts

MAX_REASON = 300
_FIRST_BRACE: Final = re.compile(r"[{\[]")
_NOWHERE: Final[Registry[Any]] = Registry()
"""A ``$ref`` leads nowhere outside its schema; jsonschema would fetch it."""


class UnfitError(ValueError):
    """What a model said is not what it was to say.

    Args:
        reason: Why, for the model: it may quote what it said.
        fault: Why, in words that quote nothing.
    """

    def __init__(self, reason: str, fault: str) -> None:
        super().__init__(reason)
        self.fault = fault


def fitting_json(text: str, schema: Mapping[str, Any]) -> str:
    """Return the JSON in what a model said, if it is of a schema: compact, clean, nothing around it.

    Args:
        text: Also with a fence, a sentence or thoughts around the JSON.
        schema: JSON Schema, draft 2020-12.

    Raises:
        UnfitError: If there is none, or it is not of the schema.

    Example:
        >>> fitting_json('Sure: ```json\\n{"a": 1}\\n```', {"type": "object", "required": ["a"]})
        '{"a":1}'
        >>> fitting_json('{"b": 1}', {"type": "object", "required": ["a"]})
        Traceback (most recent call last):
        ...
        models.remote.spoken_json.UnfitError: $: 'a' is a required property
    """
    try:
        value = clean_value(_parsed(without_thoughts(text)))
        wrong = best_match(Draft202012Validator(schema, registry=_NOWHERE).iter_errors(value))
        if wrong is None:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except RecursionError as error:
        raise UnfitError("it is nested too deeply", "it is nested too deeply") from error
    except ValueError as error:  # 1e999 is read as infinity, which JSON cannot say
        raise UnfitError(str(error)[:MAX_REASON], "it is no JSON") from error
    raise UnfitError(f"{wrong.json_path}: {wrong.message}"[:MAX_REASON], f"it is not of its schema ({wrong.validator})")


def _parsed(text: str) -> Any:
    """Read the whole, else what the first brace begins."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError as error:
        begin = _FIRST_BRACE.search(text)
        if begin is None:
            raise UnfitError("there is no JSON in it", "there is no JSON in it") from error
        try:
            return json.JSONDecoder(parse_constant=_refuse).raw_decode(text, begin.start())[0]
        except json.JSONDecodeError as inner:
            told = f"it is no JSON: {inner.msg} at character {inner.pos}"
            raise UnfitError(told, told) from inner


def _refuse(name: str) -> NoReturn:
    raise UnfitError(f"{name} is no JSON", "it is no JSON")
