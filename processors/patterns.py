"""Phrase lists compiled to one pattern each."""

import re
import tomllib
from importlib.resources import files
from typing import Final

_LISTS: Final = tomllib.loads(files("processors").joinpath("patterns.toml").read_text("utf-8"))


def phrase_pattern(section: str, name: str) -> re.Pattern[str]:
    """Compile one list of ``patterns.toml``, to be searched in text put through ``lower_case``.

    Not with ``re.IGNORECASE``: it keeps the engine from skipping branches by their first letter, 5 times slower.

    Raises:
        KeyError: If there is no such list.

    Example:
        >>> phrase_pattern("flags", "safety").search("it caught fire").start()
        3
    """
    return re.compile(r"(?<!\w)(?:" + "|".join(_LISTS[section][name]) + ")")
