"""What a language model says of a product, before anybody believes it."""

from typing import Annotated

import msgspec
from msgspec import Meta


class SaidSentence(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence, and the ids of what it rests on."""

    text: Annotated[str, Meta(min_length=1, max_length=600)]
    points: Annotated[list[str], Meta(min_length=1, max_length=8)]


class Sentences(msgspec.Struct, frozen=True, kw_only=True):
    """A whole summary as the prompt asks for it."""

    sentences: Annotated[list[SaidSentence], Meta(min_length=1, max_length=20)]
