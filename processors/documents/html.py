"""Read the text of a web page as Markdown, in time and depth its length bounds, whatever it is made of."""

import html
import re
from collections import Counter
from typing import Final

from bs4 import BeautifulSoup, Tag
from markdownify import MarkdownConverter

DEPTH: Final = 60
"""Elements inside one another; deeper ones count as text of the last."""

_TAG: Final = re.compile(r"""<(/?)([A-Za-z][\w:-]{0,40})((?:[^<>"']|"[^"]{0,500}"|'[^']{0,500}'){0,2000})>""")
_ATTRIBUTE: Final = re.compile(r"""([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'=<>`]+)))?""")
_DECLARATION: Final = re.compile(r"<[!?][^<>]{0,500}>")
_LANGUAGE: Final = re.compile(r"(?:^|\s)(?:lang|language|highlight-source)-([\w+#.-]{1,30})")
_UNSEEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_BLANKS: Final = re.compile(r"\s+")
_GAP: Final = re.compile(r"\n{3,}")


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


_VOID: Final = _names("area base br col embed hr img input link meta param source track wbr")
_RAW: Final = _names("script style title textarea xmp noembed noframes")
_DROPPED: Final = _names(
    "head nav template noscript iframe svg math object audio video canvas button select datalist dialog"
)
_TABLE: Final = _names("thead tbody tfoot tr td th")
_BLOCKS: Final = _TABLE | _names(
    "h1 h2 h3 h4 h5 h6 p ul ol li dl dt dd table caption pre blockquote div section article main aside header"
    " footer address figure figcaption details summary fieldset form"
)
_KEPT: Final = (_BLOCKS - {"fieldset", "form", "address"}) | {"code", "kbd", "samp", "br", "hr"}
_ENDED_BY: Final = {
    "li": frozenset({"p", "li"}),
    "dt": frozenset({"p", "dt", "dd"}),
    "dd": frozenset({"p", "dt", "dd"}),
    "td": frozenset({"p", "td", "th"}),
    "th": frozenset({"p", "td", "th"}),
    "tr": frozenset({"p", "tr", "td", "th"}),
    "body": frozenset({"head"}),
}
"""Elements whose end need not be written: a tag -> those that end where it begins; a block ends a paragraph."""


def markdown_of(page: str) -> str:
    """Return what a page says as Markdown: headings, lists, tables and code as such, no links, no emphasis.

    Scripts, styles, navigation, controls, comments and what is marked hidden are left out. The page's title
    stands above the rest if it has no heading of the first level.

    Args:
        page: HTML, whole or a part, well formed or not.

    Example:
        >>> markdown_of("<title>Guide</title><nav>Home</nav><p>Run <b>it</b>.<ul><li>first<li>second</ul>")
        '# Guide\\n\\nRun it.\\n\\n- first\\n- second'
    """
    tidier = _Tidier(_without_comments(page))
    soup = BeautifulSoup(f"<div>{tidier.read()}</div>", "html.parser")
    converter = MarkdownConverter(
        heading_style="ATX",
        bullets="-",
        escape_asterisks=False,
        escape_underscores=False,
        table_infer_header=True,
        code_language_callback=_language,
    )
    text = _GAP.sub("\n\n", converter.convert_soup(soup)).strip()
    title = " ".join(html.unescape(tidier.title).split())
    return f"# {title}\n\n{text}".strip() if title and not soup.find("h1") else text


class _Tidier:
    """Writes a page again with every element closed and only those that shape a text.

    Args:
        page: HTML without comments.
    """

    def __init__(self, page: str) -> None:
        self.title = ""
        self._page = page
        self._out: list[str] = []
        self._stack: list[tuple[str, bool, bool]] = []  # name, written, hides what is in it
        self._open: Counter[str] = Counter()
        self._written = 0
        self._hiding = 0

    def read(self) -> str:
        """Return the page written again."""
        reached = 0
        while tag := _TAG.search(self._page, reached):
            self._text(self._page[reached : tag.start()])
            reached = tag.end()
            name = tag[2].lower()
            if tag[1]:
                self._end(name)
            elif name in _RAW:
                reached = self._raw(name, reached)
            else:
                self._start(name, tag[3])
        self._text(self._page[reached:])
        while self._stack:
            self._pop()
        return "".join(self._out)

    def _text(self, text: str) -> None:
        if not self._hiding:
            text = text if self._open["pre"] else _BLANKS.sub(" ", text)  # 20,000 blanks took markdownify 10 s
            self._out.append(text.replace("<", "&lt;"))

    def _raw(self, name: str, start: int) -> int:
        """Read an element that holds no others; return where it has ended."""
        end = re.compile(rf"</{name}(?=[\s/>])[^<>]*>?", re.IGNORECASE).search(self._page, start)
        inside = self._page[start : end.start() if end else len(self._page)]
        if name == "title" and not self.title and not self._open["svg"]:
            self.title = inside
        return end.end() if end else len(self._page)

    def _start(self, name: str, written: str) -> None:
        ended = _ENDED_BY.get(name, frozenset({"p"} if name in _BLOCKS else ()))
        while self._stack and self._stack[-1][0] in ended:
            self._pop()
        attributes = _attributes(written)
        if name in _VOID:
            if not self._hiding:
                self._out.append(f"<{name}>" if name in _KEPT else html.escape(attributes.get("alt", "")))
            return
        hides = name in _DROPPED or _unseen(attributes)
        shown = not hides and not self._hiding and name in _KEPT and self._written < DEPTH
        if shown:
            language = _LANGUAGE.search(attributes.get("class", ""))
            self._out.append(f'<{name} class="{html.escape(language[1])}">' if language else f"<{name}>")
        self._stack.append((name, shown, hides))
        self._open[name] += 1
        self._written += shown
        self._hiding += hides

    def _end(self, name: str) -> None:
        if self._open[name]:
            while self._pop() != name:
                pass

    def _pop(self) -> str:
        name, shown, hides = self._stack.pop()
        self._open[name] -= 1
        self._written -= shown
        self._hiding -= hides
        if shown:
            self._out.append(f"</{name}>")
        return name


def _attributes(written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(written):
        found.setdefault(name.lower(), html.unescape(double or single or bare))
    return found


def _unseen(attributes: dict[str, str]) -> bool:
    hidden = "hidden" in attributes or attributes.get("aria-hidden", "").lower() == "true"
    return hidden or _UNSEEN.search(attributes.get("style", "")) is not None


def _language(element: Tag) -> str:
    for part in (element, element.find("code")):
        found = part.get("class") if isinstance(part, Tag) else None
        if found:
            return str(found[0] if isinstance(found, list) else found)
    return ""


def _without_comments(page: str) -> str:
    """Return a page without comments and declarations; a comment that does not end takes the rest, as in a browser."""
    kept, reached = [], 0
    while (start := page.find("<!--", reached)) >= 0:
        kept.append(page[reached:start])
        end = page.find("-->", start + 4)
        reached = end + 3 if end >= 0 else len(page)
    return _DECLARATION.sub("", "".join(kept) + page[reached:])
