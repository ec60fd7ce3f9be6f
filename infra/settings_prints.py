"""Prints of settings: they tell that a section differs, not what stands in it.

A section that holds a secret is digested slowly and shortly: who reads the print and guesses at the secret needs some
70 ms a guess, and of 65,536 wrong guesses one looks right.
"""

import hashlib
import json
import secrets
from collections import defaultdict

from infra.settings import Settings
from infra.settings_reading import Secret, declared
from schemas.heartbeats import SettingsPrint

_OF_NO_WORKER = frozenset({
    "kafka.partitions", "kafka.replication", "kafka.retention_hours", "kafka.local_heap_mb", "kafka.local_jars",
    "milvus.tick_ms",
})  # fmt: skip
"""What only matters to servers and topics when they are made."""

_DIGEST_BYTES = 2


def print_settings(settings: Settings, salt: str | None = None) -> SettingsPrint:
    """Make the print of what workers run with.

    Args:
        settings: All settings; where home is does not count.
        salt: Of the print to compare with; none makes a new one.

    Example:
        >>> print_settings(Settings(), "00").sections == print_settings(Settings(), "01").sections
        False
    """
    salt = secrets.token_hex(16) if salt is None else salt
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    hidden = set()
    for one in declared(Settings):
        section, _, key = one.name.rpartition(".")
        if not section or one.name in _OF_NO_WORKER:
            continue
        value = getattr(getattr(settings, section), key)
        if isinstance(value, Secret):
            hidden.add(section)
            value = value.reveal()
        texts[section][key] = str(value)
    sections = {name: _digest(json.dumps(text), salt, slowly=name in hidden) for name, text in texts.items()}
    return SettingsPrint(salt=salt, sections=sections)


def differing(theirs: SettingsPrint, settings: Settings) -> list[str]:
    """Name the sections in which settings differ from those of a print, in order.

    Args:
        theirs: Made by a process that may be of another version: sections only one of the two knows do not count.
        settings: Ours.
    """
    ours = print_settings(settings, theirs.salt).sections
    return [name for name, digest in ours.items() if theirs.sections.get(name, digest) != digest]


def _digest(text: str, salt: str, *, slowly: bool) -> str:
    if slowly:
        return hashlib.scrypt(text.encode(), salt=salt.encode(), n=2**14, r=8, p=1, dklen=_DIGEST_BYTES).hex()
    return hashlib.blake2b(text.encode(), key=salt.encode()[:64], digest_size=8).hexdigest()
