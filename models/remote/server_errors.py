"""What an endpoint's errors mean for a call, for the endpoint and for the ledger.

=====================================  =========  ========  =======
what comes                             retryable  endpoint  lasting
=====================================  =========  ========  =======
429                                    yes        no        no       it works, and says when again
429 with an exhausted quota, 402       yes        yes       no       somebody has to pay
408, 409, 425, 5xx                     yes        yes       no
401, 403, 404, 405, 410, redirects     yes        yes       no       the settings are to be mended
400, 403, 451 of a content filter      no         no        yes      the input would be refused for ever
400, 413, 422 of a too long input      no         no        yes
400 that names the key or the model    yes        yes       no
other 4xx                              no         no        no       the request: other settings may do
=====================================  =========  ========  =======
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from models.ports import WriteFailure
from models.remote.spoken_text import clean_spoken
from models.remote.unquoted import unquoted

MAX_REASON = 200
_FILTERED: Final = re.compile(
    r"content.?filter|content.?policy|content.?management|moderat|safety.?(?:system|filter|polic)|flagged|data_inspection",
    re.IGNORECASE,
)
_TOO_LONG: Final = re.compile(
    r"context.?length|context.?window|maximum context|too long|too large|too many tokens|string_above_max"
    r"|reduce the length|exceed\w* .{0,40}\b(?:context|token)",
    re.IGNORECASE,
)
_SETTINGS: Final = re.compile(
    r"api.?key|credit|billing|quota|\bmodel\b.{0,80}\b(?:not found|not exist|unknown)|(?:invalid|unknown) model"
    r"|model_not_found",
    re.IGNORECASE,
)
_PAID: Final = re.compile(r"quota|billing|credit|balance", re.IGNORECASE)
_SECRETS: Final = re.compile(r"\b(?:sk|pk|gsk|xai|hf)[-_][\w*.-]{4,}|\bBearer\s+\S+", re.IGNORECASE)
_FIELDS: Final = (
    "max_completion_tokens",
    "max_tokens",
    "response_format",
    "seed",
    "stream_options",
    "temperature",
    "top_p",
)
_SPACE: Final = re.compile(r"\s+")

_REMEDIES: Final = {
    401: "the endpoint refuses the key; set writer.api_key",
    402: "the account has no credit left",
    403: "the key may not use this model; look at writer.api_key and the account",
    404: "the endpoint knows no such model or address; look at writer.url and the model's name",
    405: "nothing writes at this address; look at writer.url",
    410: "the endpoint gave this model or address up",
}


@dataclass(frozen=True, slots=True)
class ServerError:
    """An answer that is none.

    Args:
        status: Of HTTP, or the one that a report in a successful answer names.
        code: What the endpoint calls the error.
        message: Its own words, one line, without anything that looks like a key.
        retry_after_s: How long it wants to be left alone.
        parameter: The field of the request that it names as the cause.
        shown: Its words without those of the prompt; None is all of them.
    """

    status: int
    code: str = ""
    message: str = ""
    retry_after_s: float | None = None
    parameter: str = ""
    shown: str | None = None

    @property
    def field(self) -> str | None:
        """Which field of the request it does not take; none if it does not say."""
        named = self.parameter.rpartition(".")[2]
        if named in _FIELDS:
            return named
        words = self.message if self.shown is None else self.shown
        places = {words.find(name): name for name in _FIELDS if name in words}
        return places[min(places)] if places else None

    @property
    def failure(self) -> WriteFailure:
        """What it means; see the table above."""
        told = f"{self.code} {self.message}"
        if self.status in {400, 403, 422, 451} and (self.status == 451 or _FILTERED.search(told)):
            line = f"HTTP {_phrase(self.status)}: the endpoint filtered the input"  # its words are about the input
            return WriteFailure(line, retryable=False, lasting=True)
        if self.status == 413 or (self.status in {400, 422} and _TOO_LONG.search(told)):
            return WriteFailure(self._line("the input is too long for the model"), retryable=False, lasting=True)
        if self.status == 429 and not _PAID.search(told):
            return WriteFailure(self._line("too many requests"), retryable=True, retry_after_s=self.retry_after_s)
        mendable = self.status in {*_REMEDIES, 408, 409, 425, 429} or 300 <= self.status < 400 or self.status >= 500
        if mendable or _SETTINGS.search(told):
            line = self._line(_REMEDIES.get(self.status))
            return WriteFailure(line, retryable=True, retry_after_s=self.retry_after_s, endpoint=True)
        remedy = "; set writer.temperature = 1" if self.field == "temperature" else ""
        return WriteFailure(self._line(f"the endpoint refuses the request{remedy}"), retryable=False)

    def _line(self, meaning: str | None) -> str:
        """Say the status, what it means, and the endpoint's own words; of a wrong key it may repeat a part."""
        words = "" if self.status == 401 else self.message if self.shown is None else self.shown
        return ": ".join([part for part in (f"HTTP {_phrase(self.status)}", meaning, words) if part])


def read_error(
    status: int, body: bytes, retry_after_s: float | None, key: str | None, prompt: Sequence[str] = ()
) -> ServerError:
    """Return what the body of an error says.

    Args:
        status: Of HTTP.
        body: Whatever came with it.
        retry_after_s: From the headers.
        key: Taken out of the message, should the endpoint repeat it.
        prompt: What it was sent: its words are not shown again.

    Example:
        >>> body = b'{"error": {"code": "rate_limit", "message": "Slow down, sk-12345678."}}'
        >>> read_error(429, body, 2.0, "sk-12345678").failure.error
        'HTTP 429 Too Many Requests: too many requests: Slow down, [key].'
        >>> read_error(502, b"<html><title>Bad Gateway</title>...", None, None).failure.error
        'HTTP 502 Bad Gateway'
    """
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return ServerError(status, retry_after_s=retry_after_s)  # a proxy's page says no more than its status
    report = decoded.get("error", decoded) if isinstance(decoded, dict) else decoded
    return reported_error(report, status, retry_after_s, key, prompt)


def reported_error(
    report: Any, status: int, retry_after_s: float | None, key: str | None, prompt: Sequence[str] = ()
) -> ServerError:
    """Return what a report says; a status that it names itself counts where HTTP says success.

    Example:
        >>> reported_error({"code": 429, "message": "busy"}, 200, None, None).status
        429
        >>> reported_error("it broke", 200, None, None).failure.error
        'HTTP 500 Internal Server Error: it broke'
    """
    told = report if isinstance(report, dict) else {"message": report}
    code, message = told.get("code") or told.get("type"), told.get("message") or told.get("detail")
    if status < 300:
        named = str(code)
        status = int(named) if named.isascii() and named.isdigit() and 400 <= int(named[:4]) < 600 else 500
    words, parameter = _words(message)
    words = told_safely(words, key)
    named = told.get("param") or parameter
    named = named[:MAX_REASON] if isinstance(named, str) else ""
    return ServerError(status, str(code or "")[:MAX_REASON], words, retry_after_s, named, unquoted(words, prompt))


def _words(message: Any) -> tuple[str, str]:
    """Return what a message says and which field it names; lists of faults, as some validators send them, quote it all.

    Example:
        >>> _words([{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs", "input": 0}])
        ('body.seed: Extra inputs', 'body.seed')
        >>> _words({"message": "no such thing", "input": "It runs small."}), _words(5)
        (('no such thing', ''), ('', ''))
    """
    first = next(iter(message), None) if isinstance(message, list) else message
    if isinstance(first, str):
        return first, ""
    if not isinstance(first, dict):
        return "", ""
    told, place = first.get("msg") or first.get("message"), first.get("loc")
    parameter = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return ": ".join(part for part in (parameter, told) if isinstance(part, str) and part), parameter


def told_safely(text: str, key: str | None) -> str:
    """Return an endpoint's words as one short line without keys, whole or half masked.

    Example:
        >>> told_safely("Incorrect API key\\nprovided: sk-proj-****abcd.", None)
        'Incorrect API key provided: [key]'
    """
    if key:
        text = text.replace(key, "[key]")
    return _SECRETS.sub("[key]", _SPACE.sub(" ", clean_spoken(text)).strip())[:MAX_REASON]


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
