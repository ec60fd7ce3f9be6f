"""Settings as people read them: the documented default file, and what stands and why."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import Settings
from infra.settings_reading import Declared, Secret, declared

_HEAD = """\
# Settings of Millrace. Every line is commented out and shows the default; remove the # to change one.
# An environment variable wins over this file: section.key is MILLRACE_SECTION_KEY.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One setting as it stands: secrets are masked."""

    name: str
    value: str | int | float | None
    origin: str  # "default", an environment variable, or the file's path
    variables: tuple[str, ...]
    explanation: str


def default_file() -> str:
    """Write the documented default file."""
    lines = [_HEAD]
    section = ""
    for one in declared(Settings):
        head, _, key = one.name.rpartition(".")
        if head != section:
            lines.append(f"\n[{head}]  # {_purpose(head)}")
            section = head
        lines.append(f"# {_explained(one)}\n# {key} = {_as_toml(one.default)}")
    return "\n".join(lines) + "\n"


def shown(settings: Settings) -> list[Shown]:
    """List every setting with its value and where the value came from."""
    rows = []
    for one in declared(Settings):
        section, _, key = one.name.rpartition(".")
        value = getattr(getattr(settings, section) if section else settings, key)
        plain = str(value) if isinstance(value, Path | Secret) else value
        rows.append(Shown(one.name, plain, settings.origins[one.name], one.variables, one.meaning.explanation))
    return rows


def _purpose(section: str) -> str:
    kind = type(getattr(Settings(), section))
    return (kind.__doc__ or "").splitlines()[0].rstrip(".")


def _explained(one: Declared) -> str:
    words = one.meaning.explanation
    if one.meaning.choices and not any(choice.endswith(":") for choice in one.meaning.choices):
        words += f": {', '.join(one.meaning.choices)}"
    return f"{words} ({' or '.join(one.variables)})"


def _as_toml(value: Any) -> str:
    if value is None:
        return '""'
    if isinstance(value, int | float):
        return repr(value)
    return f'"{os.fspath(value)}"'
