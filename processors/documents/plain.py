"""Read reStructuredText as Markdown, as far as cutting it needs: its headings."""

import re
from typing import Final

_UNDERLINE: Final = re.compile(r"([=\-~^\"'`#*+.:_<>!$%&,/;?@\\|(){}\[\]])\1{2,}[ \t]*\Z")


def headed(text: str) -> str:
    """Return a text with its underlined headings as Markdown's; the first kind of line is the first level.

    Other lines of one mark, which part sections, become Markdown's, so that none of them opens a piece of code.

    Example:
        >>> headed("Guide\\n=====\\n\\nRun it.\\n\\nLinux\\n~~~~~\\n\\nAs root.")
        '# Guide\\n\\nRun it.\\n\\n## Linux\\n\\nAs root.'
    """
    lines = text.split("\n")
    levels: dict[str, int] = {}
    kept: list[str] = []
    for place, line in enumerate(lines):
        mark = _UNDERLINE.match(line)
        if not mark:
            kept.append(line)
        elif _underlines(lines, place):
            over = place > 1 and lines[place - 2].strip() == line.strip()
            level = levels.setdefault(mark[1] * (2 if over else 1), len(levels) + 1)
            kept[-1:] = [f"{'#' * min(level, 6)} {lines[place - 1].strip()}"]
        elif not _underlines(lines, place + 2):
            kept.append("***" if mark[1] in "~`" else line)
    return "\n".join(kept)


def _underlines(lines: list[str], place: int) -> bool:
    """Return whether the line is long enough to underline the one above, which begins a paragraph or is overlined."""
    if not 0 < place < len(lines) or not _UNDERLINE.match(lines[place]):
        return False
    above = lines[place - 1].strip()
    first = place == 1 or not lines[place - 2].strip() or lines[place - 2].strip() == lines[place].strip()
    return bool(above) and first and not _UNDERLINE.match(above) and len(lines[place].strip()) >= len(above)
