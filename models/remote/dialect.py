"""How one endpoint wants its requests: they are all OpenAI-compatible, each in its own way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from models.ports import Completion, Message
from models.remote.server_errors import ServerError
from models.remote.spoken_text import clean_spoken

REFUSING: Final = frozenset({400, 404, 415, 422, 501})
"""How endpoints say that they know no such field. Not 500: it comes and goes, and schemas would be lost for good."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an endpoint takes, as far as it is known.

    Args:
        sends_schema: Whether the schema goes into ``response_format``.
        tells_schema: Whether it goes into the prompt.
        tries_schema: Whether an endpoint that refuses a request may have refused the schema.
        limit_name: What it calls the most tokens it may say.
        sends_seed: Whether it takes a seed.
        sends_options: Whether it takes ``stream_options``.

    Example:
        >>> refused = ServerError(400, "unsupported_parameter", "Use 'max_completion_tokens' instead.")
        >>> starting_dialect("auto").after(refused, with_schema=False).limit_name
        'max_completion_tokens'
    """

    sends_schema: bool
    tells_schema: bool
    tries_schema: bool
    limit_name: str = "max_tokens"
    sends_seed: bool = True
    sends_options: bool = True

    def body(self, model: str, completion: Completion, streamed: bool) -> dict[str, Any]:
        """Return a request in this dialect."""
        decoding, schema = completion.decoding, completion.schema
        messages = completion.messages
        if schema is not None and self.tells_schema:
            messages = with_schema_told(messages, schema)
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": message.role, "content": clean_spoken(message.content)} for message in messages],
            self.limit_name: decoding.max_tokens,
            "temperature": decoding.temperature,
        }
        if decoding.top_p != 1.0:
            body["top_p"] = decoding.top_p
        if decoding.seed is not None and self.sends_seed:
            body["seed"] = decoding.seed
        if schema is not None and self.sends_schema:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": dict(schema)},
            }
        if streamed:
            body["stream"] = True
            if self.sends_options:
                body["stream_options"] = {"include_usage": True}
        return body

    def after(self, error: ServerError, with_schema: bool) -> "Dialect | None":
        """Return how to ask again after a refusal; None if there is no other way.

        What is left out is the field that the refusal names; the schema if it names none. A seed is a wish, not a
        promise, to every endpoint that takes one; a temperature is not left out, because the ledger would tell of one
        that nobody used.

        Args:
            error: The refusal.
            with_schema: Whether the refused request had a schema.
        """
        if error.status not in REFUSING:
            return None
        named = error.field
        if "max_completion_tokens" in error.message and self.limit_name == "max_tokens":
            return replace(self, limit_name="max_completion_tokens")
        if named == "seed" and self.sends_seed:
            return replace(self, sends_seed=False)
        if named == "stream_options" and self.sends_options:
            return replace(self, sends_options=False)
        guessed = named in {None, "response_format"}
        if guessed and with_schema and self.sends_schema and self.tries_schema:
            return replace(self, sends_schema=False, tells_schema=True, tries_schema=False)
        return None

    def after_success(self, with_schema: bool) -> "Dialect":
        """Return what is known once a request was taken: a schema that was taken will not be refused later."""
        return replace(self, tries_schema=self.tries_schema and not with_schema)

    def after_unfit(self) -> "Dialect":
        """Return what is known once an answer was not of its schema: the endpoint may take one and ignore it."""
        return replace(self, tells_schema=True)


def starting_dialect(json_schema: str) -> Dialect:
    """Return what is assumed of an endpoint nobody has asked yet.

    Args:
        json_schema: ``yes`` sends the schema, ``no`` tells it in the prompt, ``auto`` finds out.

    Raises:
        ValueError: If it is something else.
    """
    if json_schema not in {"auto", "yes", "no"}:
        raise ValueError(f"json_schema is {json_schema!r}; use auto, yes or no")
    sends = json_schema != "no"
    return Dialect(sends_schema=sends, tells_schema=not sends, tries_schema=json_schema == "auto")


def with_schema_told(messages: Sequence[Message], schema: Mapping[str, Any]) -> tuple[Message, ...]:
    """Return a prompt whose last turn ends with the schema of the answer.

    Example:
        >>> print(with_schema_told([Message("user", "Say one.")], {"type": "integer"})[0].content)
        Say one.
        <BLANKLINE>
        Answer with JSON alone, no other text and no code fence. It follows this JSON Schema:
        {"type":"integer"}
    """
    written = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    told = f"Answer with JSON alone, no other text and no code fence. It follows this JSON Schema:\n{written}"
    *before, last = messages
    return (*before, Message(last.role, f"{last.content}\n\n{told}"))
