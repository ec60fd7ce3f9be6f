r"""Prompts as files: front matter in TOML between lines of ``+++``, then turns, each under ``[system]`` or ``[user]``.

What a prompt says to a model decides what the model says: its identity is its name, its version and a hash of the
whole file, and is part of the name of every call.

Errors:
    PromptError: a file is no prompt, or is given what it does not want
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast

import jinja2
from jinja2 import meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from models.ports import Message

HASH_DIGITS = 12
_FENCE = "+++"
_TURN = re.compile(r"^\[(system|user)\][ \t]*$", re.MULTILINE)
_KEYS = {"name", "version", "about", "inputs", "schema", "cases"}
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_SHIPPED = files("models") / "prompts"

Role = Literal["system", "user"]


class PromptError(ValueError):
    """A prompt that cannot be used."""


@dataclass(frozen=True, slots=True)
class Case:
    """One worked example: shown to the model, and what ``millrace prompts test`` tries.

    Args:
        inputs: As the prompt declares them.
        output: What the model should say.
    """

    inputs: Mapping[str, Any]
    output: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as it is used.

    Args:
        name: Short; ``summary``, ``answer``, or your own.
        version: Grows when you change what it asks for.
        about: One line for people.
        inputs: Names that its turns use.
        schema: JSON Schema of what is to be said; None for free text.
        cases: Worked examples, in order.
        turns: Roles and templates, in order.
        source: The whole file.
    """

    name: str
    version: int
    about: str
    inputs: tuple[str, ...]
    schema: Mapping[str, Any] | None
    cases: tuple[Case, ...]
    turns: tuple[tuple[Role, str], ...]
    source: str

    @property
    def identity(self) -> str:
        """``name@version/hash``: two prompts that differ in a letter are two."""
        return f"{self.name}@{self.version}/{hashlib.sha256(self.source.encode()).hexdigest()[:HASH_DIGITS]}"

    def render(self, inputs: Mapping[str, Any]) -> tuple[Message, ...]:
        """Make the turns: instructions, the worked examples as a talk that went before, then what is asked now.

        Args:
            inputs: Exactly those the prompt declares.

        Raises:
            PromptError: If one is missing or unknown, or a template fails on it.
        """
        asked = [Message("system", self._fill(text, inputs)) for role, text in self.turns if role == "system"]
        for case in self.cases:
            asked += self._user(case.inputs)
            asked.append(Message("assistant", case.output))
        return (*asked, *self._user(inputs))

    def _user(self, inputs: Mapping[str, Any]) -> list[Message]:
        return [Message("user", self._fill(text, inputs)) for role, text in self.turns if role == "user"]

    def _fill(self, text: str, inputs: Mapping[str, Any]) -> str:
        if set(inputs) != set(self.inputs):
            told = f"takes {', '.join(self.inputs)}, not {', '.join(sorted(inputs)) or 'nothing'}"
            raise PromptError(f"prompt {self.name}: {told}")
        try:
            return _template(text).render(inputs).strip()
        except (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise PromptError(f"prompt {self.name}: cannot be filled in: {error}") from error


@lru_cache(maxsize=64)
def _template(text: str) -> jinja2.Template:
    """Compile a turn once: it takes 7 ms."""
    return _ENVIRONMENT.from_string(text)


def load_prompt(name_or_path: str) -> Prompt:
    """Load a shipped prompt by its name, or your own by its path.

    Args:
        name_or_path: A name without ``/`` and ``.md`` is one of ours.

    Raises:
        PromptError: If there is none, or it is no prompt.

    Example:
        >>> prompt = load_prompt("answer")
        >>> prompt.name, prompt.inputs
        ('answer', ('question', 'passages', 'features', 'language'))
    """
    if "/" not in name_or_path and not name_or_path.endswith(".md"):
        shipped = _SHIPPED / f"{name_or_path}.md"
        if not shipped.is_file():
            raise PromptError(f"there is no prompt {name_or_path!r}; there are {', '.join(shipped_prompts())}")
        return parse_prompt(shipped.read_text(encoding="utf-8"), f"{name_or_path}.md")
    try:
        return parse_prompt(Path(name_or_path).read_text(encoding="utf-8"), name_or_path)
    except OSError as error:
        raise PromptError(f"{name_or_path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PromptError(f"{name_or_path} is no UTF-8") from error


def shipped_prompts() -> list[str]:
    """Name the prompts that come with Millrace."""
    return sorted(one.name.removesuffix(".md") for one in _SHIPPED.iterdir() if one.name.endswith(".md"))


def parse_prompt(source: str, where: str) -> Prompt:
    """Read a prompt.

    Args:
        source: The whole file.
        where: Its name, for errors.

    Raises:
        PromptError: If it is none: which line, which key, and what it should be.
    """
    head, body = _split(source, where)
    try:
        front = tomllib.loads(head)
    except tomllib.TOMLDecodeError as error:
        raise PromptError(f"{where}: its front matter is no TOML: {error}") from error
    if unknown := sorted(front.keys() - _KEYS):
        raise PromptError(f"{where}: unknown key {unknown[0]!r}; there are {', '.join(sorted(_KEYS))}")
    name, version, inputs = front.get("name"), front.get("version"), front.get("inputs")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PromptError(f"{where}: name: up to 40 small letters, digits, _ and -, a letter first")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise PromptError(f"{where}: version: a whole number from 1")
    if not isinstance(inputs, list) or not all(isinstance(one, str) for one in inputs):
        raise PromptError(f"{where}: inputs: a list of names")
    turns = _turns(body, inputs, where)
    schema, cases = front.get("schema"), _cases(front.get("cases", []), where)
    prompt = Prompt(name, version, str(front.get("about", "")), tuple(inputs), schema, cases, turns, source)
    for case in cases:
        prompt.render(case.inputs)
    if schema is not None:
        _check_schema(schema, cases, where)
    return prompt


def _check_schema(schema: object, cases: Sequence[Case], where: str) -> None:
    """Refuse a schema that no output could be held against, or that its own examples do not fit."""
    from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]  # it ships no types
    from referencing.exceptions import Unresolvable

    from models.remote.spoken_json import UnfitError, fitting_json  # here: the commands' help needs none of it

    if not isinstance(schema, dict):
        raise PromptError(f"{where}: schema: a table, as JSON Schema has it")
    try:
        Draft202012Validator.check_schema(schema)
        for case in cases:
            fitting_json(case.output, schema)
    except SchemaError as error:
        raise PromptError(f"{where}: schema: {error.message}") from error
    except UnfitError as error:
        raise PromptError(f"{where}: a worked example does not fit the schema: {error}") from error
    except (Unresolvable, re.error) as error:
        raise PromptError(f"{where}: schema: {error}") from error


def _split(source: str, where: str) -> tuple[str, str]:
    lines = source.splitlines(keepends=True)
    fences = [number for number, line in enumerate(lines) if line.rstrip() == _FENCE][:2]
    if len(fences) < 2 or "".join(lines[: fences[0]]).strip():
        raise PromptError(f"{where}: begins with its front matter between two lines of {_FENCE}")
    return "".join(lines[fences[0] + 1 : fences[1]]), "".join(lines[fences[1] + 1 :])


def _turns(body: str, inputs: Sequence[str], where: str) -> tuple[tuple[Role, str], ...]:
    before, *parts = _TURN.split(body)
    turns = tuple((cast(Role, role), text) for role, text in zip(parts[::2], parts[1::2], strict=True))
    if before.strip() or not turns or turns[-1][0] != "user":
        raise PromptError(f"{where}: its turns begin with a line [system] or [user]; the last is the user's")
    for _, text in turns:
        try:
            used = meta.find_undeclared_variables(_ENVIRONMENT.parse(text))
        except jinja2.TemplateSyntaxError as error:
            raise PromptError(f"{where}: line {error.lineno} of a turn: {error.message}") from error
        if strange := sorted(used - set(inputs)):
            raise PromptError(f"{where}: uses {strange[0]!r}, which is none of its inputs")
    return turns


def _cases(told: object, where: str) -> tuple[Case, ...]:
    if not isinstance(told, list):
        raise PromptError(f"{where}: cases: tables [[cases]] with inputs and output")
    found = []
    for one in told:
        if not isinstance(one, dict) or one.keys() != {"inputs", "output"} or not isinstance(one["output"], str):
            raise PromptError(f"{where}: each of [[cases]] has inputs and output, and nothing else")
        found.append(Case(one["inputs"], one["output"]))
    return tuple(found)


_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True
)
"""Nothing is escaped: prompts are no HTML; data goes in as JSON, one value a line."""
_ENVIRONMENT.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
