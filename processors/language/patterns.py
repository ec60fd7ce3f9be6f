"""Phrase lists, and one pattern made of each."""

import re
import tomllib
from importlib.resources import files
from typing import Final

_LISTS: Final = tomllib.loads(files("processors.language").joinpath("patterns.toml").read_text("utf-8"))


def phrase_pattern(section: str, name: str) -> re.Pattern[str]:
    """Compile one list of ``patterns.toml``, to be searched in text put through ``lower_case``.

    Not with ``re.IGNORECASE``: it keeps the engine from skipping branches by their first letter, 5 times slower.

    Raises:
        KeyError: If there is no such list.

    Example:
        >>> phrase_pattern("flags", "safety").search("it caught fire").start()
        3
    """
    return re.compile(r"(?<!\w)(?:" + "|".join(phrases(section, name)) + ")")


def phrases(section: str, name: str) -> list[str]:
    """Return one list of ``patterns.toml``.

    Raises:
        KeyError: If there is no such list.
    """
    found: list[str] = _LISTS[section][name]
    return found
