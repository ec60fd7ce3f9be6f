"""What an endpoint answers, read as it comes: one JSON, or server-sent events. No sockets here.

Errors:
    AnswerError: what came is no answer
      BrokenAnswerError: it is no JSON of a chat completion, or ends in the middle
      OversizedAnswerError: it is longer than any answer may be
      ReportedError: it is the report of an error, although its HTTP status says success
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

MAX_ANSWER_BYTES: Final = 10_000_000
MAX_TOKENS: Final = 100_000_000
"""A count beyond this is a mistake, and would fill a budget for ever."""


class AnswerError(Exception):
    """What came is no answer."""


class BrokenAnswerError(AnswerError):
    """It cannot be read."""


class OversizedAnswerError(AnswerError):
    """It is longer than any answer may be."""


class ReportedError(AnswerError):
    """It reports an error.

    Args:
        report: What stands under ``error``.
    """

    def __init__(self, report: Any) -> None:
        super().__init__("the answer reports an error")
        self.report = report


@dataclass(slots=True)
class Said:
    """What a model said, as the endpoint tells it. Text may hold NUL and lone surrogates."""

    text: str = ""
    finish_reason: str | None = None
    refusal: str = ""
    models: set[str] = field(default_factory=set)
    tokens_in: int | None = None
    tokens_out: int | None = None

    def take(self, answer: Any, place: str) -> str:
        """Take in one answer, or one piece of one; return the text that is new in it.

        Args:
            answer: As decoded from JSON.
            place: Where the text is: ``message`` or ``delta``.

        Raises:
            BrokenAnswerError: If it has not the shape of one.
            ReportedError: If it reports an error.
        """
        if not isinstance(answer, dict):
            raise BrokenAnswerError("the answer is no chat completion")
        if answer.get("error"):
            raise ReportedError(answer["error"])
        if isinstance(answer.get("model"), str) and answer["model"]:
            self.models.add(answer["model"])
        self._count(answer.get("usage"))
        choices = answer.get("choices")
        if not isinstance(choices, list) or not choices:
            if place == "message":
                raise BrokenAnswerError("the answer has no choices")
            return ""  # the event with the usage has none
        return self._choose(choices[0], place)

    def _choose(self, choice: Any, place: str) -> str:
        if not isinstance(choice, dict):
            raise BrokenAnswerError("the answer's choice is no object")
        if choice.get("error"):
            raise ReportedError(choice["error"])
        if isinstance(choice.get("finish_reason"), str):
            self.finish_reason = choice["finish_reason"]
        message = choice.get(place)
        if not isinstance(message, dict):
            if place == "message":
                raise BrokenAnswerError("the answer has no message")
            return ""
        if isinstance(message.get("refusal"), str):
            self.refusal += message["refusal"]
        new = _content(message.get("content"))
        self.text += new
        return new

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self.tokens_in = _tokens(usage.get("prompt_tokens"), self.tokens_in)
            self.tokens_out = _tokens(usage.get("completion_tokens"), self.tokens_out)


class AnswerReader(Protocol):
    """Takes bytes as they come."""

    said: Said
    finished: bool
    """Whether nothing more need be read."""

    def feed(self, data: bytes) -> str:
        """Take bytes; return the text they bring to an end.

        Raises:
            AnswerError: If this is no answer.
        """
        ...

    def close(self) -> Said:
        """Return all that was said, when no more bytes come.

        Raises:
            AnswerError: If something is missing.
        """
        ...


class JsonReader:
    """Reads an answer that comes as a whole.

    Example:
        >>> reader = JsonReader()
        >>> reader.feed(b'{"choices": [{"message": {"content": "It runs'), reader.feed(b' small."}}]}')
        ('', '')
        >>> reader.close().text
        'It runs small.'
    """

    finished = False

    def __init__(self) -> None:
        self.said = Said()
        self._bytes = bytearray()

    def feed(self, data: bytes) -> str:
        """Keep bytes; nothing can be said before the end."""
        self._bytes += data
        if len(self._bytes) > MAX_ANSWER_BYTES:
            raise OversizedAnswerError
        return ""

    def close(self) -> Said:
        """Return what the whole says."""
        self.said.take(_decoded(bytes(self._bytes)), "message")
        return self.said


class EventReader:
    """Reads an answer that comes as server-sent events.

    Example:
        >>> reader = EventReader()
        >>> reader.feed(b'data: {"choices": [{"delta": {"content": "It runs"}}]}')
        ''
        >>> reader.feed(b"\\n\\ndata: [DONE]\\n")
        'It runs'
        >>> reader.close().text
        'It runs'
    """

    def __init__(self) -> None:
        self.said = Said()
        self.finished = False
        self._line = bytearray()
        self._count = 0

    def feed(self, data: bytes) -> str:
        """Read the lines that end in these bytes.

        Lines end at line feeds alone: JSON may hold the other characters that ``splitlines`` splits at.
        """
        self._count += len(data)
        if self._count > MAX_ANSWER_BYTES:
            raise OversizedAnswerError
        self._line += data
        if b"\n" not in data:
            return ""
        *lines, self._line = self._line.split(b"\n")
        return "".join([self._read(bytes(line)) for line in lines])

    def close(self) -> Said:
        """Return what all events say."""
        self._read(bytes(self._line))  # the last line of some ends with nothing
        if not self.finished and self.said.finish_reason is None:
            raise BrokenAnswerError("the stream was cut")
        return self.said

    def _read(self, line: bytes) -> str:
        name, _, value = line.strip().partition(b":")
        if self.finished or name != b"data" or not value.strip():
            return ""  # names of events, comments that keep the connection open
        if value.strip() == b"[DONE]":
            self.finished = True
            return ""
        return self.said.take(_decoded(value), "delta")


def _decoded(data: bytes) -> Any:
    """Decode JSON; the standard library's takes lone surrogates, which models do say, and msgspec does not."""
    try:
        return json.loads(data)
    except RecursionError as error:
        raise BrokenAnswerError("the answer is nested too deeply") from error
    except ValueError as error:
        if data.lstrip()[:1] == b"<":
            raise BrokenAnswerError("an HTML page came instead of an answer; is writer.url right?") from error
        raise BrokenAnswerError("the answer is no JSON, or half of one") from error


def _content(content: Any) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):  # parts, as some endpoints send them
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        return "".join([text for text in texts if isinstance(text, str)])
    raise BrokenAnswerError("the answer's content is no text")


def _tokens(count: Any, before: int | None) -> int | None:
    if isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MAX_TOKENS:
        return count
    return before
