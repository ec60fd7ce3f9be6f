"""From turns to tokens and back, as the model's own folder says."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream

from models.local.folder import LocalModelError, ModelFolder
from models.ports import Message


class Chat:
    """A model's chat template and tokenizer.

    Renders as transformers does (the same sandbox, blocks trimmed, the same helpers), so that no torch is needed to
    count what a prompt costs. Special tokens spelt out in a turn's text are broken up.

    Args:
        folder: The model's.

    Raises:
        LocalModelError: If the template or the tokenizer cannot be read.
    """

    def __init__(self, folder: ModelFolder) -> None:
        self._folder = folder
        try:
            self._template = _environment().from_string(folder.template)
        except TemplateError as error:
            raise LocalModelError(f"{folder.path}: chat template: {error}; copy the model's own") from error
        try:
            self._tokenizer = Tokenizer.from_file(str(folder.path / "tokenizer.json"))
        except Exception as error:  # what tokenizers raises has no type of its own
            raise LocalModelError(f"{folder.path}/tokenizer.json: {error}; copy the model's own") from error
        added = self._tokenizer.get_added_tokens_decoder().values()
        self._marks = sorted((token.content for token in added if token.special and len(token.content) > 1), key=len)

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the prompt's tokens, the opening of the answer among them.

        Raises:
            LocalModelError: If the template does not take these turns, or a text is none (lone surrogates).
        """
        turns = [{"role": message.role, "content": self._plain(message.content)} for message in messages]
        try:
            text = self._template.render(messages=turns, add_generation_prompt=True, **self._folder.special)
        except TemplateError as error:
            raise LocalModelError(
                f"{self._folder.path.name}: its chat template takes no such turns: {error}"
            ) from error
        return self.continuation(text)

    def _plain(self, content: str) -> str:
        """Break up what would be read as the model's own marks: a review must not end the user's turn."""
        for mark in self._marks:
            content = content.replace(mark, f"{mark[0]} {mark[1:]}")
        return content

    def continuation(self, text: str) -> list[int]:
        """Return a text's tokens as they follow a prompt.

        Raises:
            LocalModelError: If it is no text (lone surrogates).
        """
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise LocalModelError(f"no text: {error.reason} at character {error.start}") from error
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: Sequence[int]) -> str:
        """Return what tokens say, special ones left out."""
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))

    def pieces(self) -> "Pieces":
        """Return what turns tokens that come one by one into text."""
        return Pieces(self._tokenizer)


class Pieces:
    """Text of tokens as they come; half a character waits for its other half."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._stream = DecodeStream(skip_special_tokens=True)

    def add(self, tokens: Sequence[int]) -> str:
        """Return the text that these tokens bring; empty if none yet."""
        return "".join(self._stream.step(self._tokenizer, token) or "" for token in tokens)


class _Generation(Extension):
    """``{% generation %}``: marks what an assistant said, for training; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> NoReturn:
    raise TemplateError(message)
