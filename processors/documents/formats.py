"""Find out what a document is written in, and read it as Markdown."""

import re
from pathlib import PurePosixPath
from typing import Final, Literal
from urllib.parse import urlsplit

from processors.documents.characters import clean
from processors.documents.html import markdown_of
from processors.documents.plain import headed
from schemas.documents import Document
from schemas.records import Unreadable

Format = Literal["markdown", "html", "plain", "rst"]

_TYPES: Final[dict[str, Format]] = {
    "text/markdown": "markdown",
    "text/x-markdown": "markdown",
    "text/html": "html",
    "application/xhtml+xml": "html",
    "text/plain": "plain",
    "text/x-rst": "rst",
    "text/prs.fallenstein.rst": "rst",
}
_EXTENSIONS: Final[dict[str, Format]] = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".mdx": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".txt": "plain",
    ".rst": "rst",
}
_REMEDY: Final = "send its text as text/markdown, text/html or text/plain"
_MAGIC: Final = {
    "%PDF-": "a PDF file",
    "JVBERi0": "a PDF file in base64",
    "PK\x03\x04": "a ZIP or Office file",
    "UEsDB": "a ZIP or Office file in base64",
    "{\\rtf": "an RTF file",
    "\x89PNG": "a PNG image",
    "GIF8": "a GIF image",
    "iVBORw0KGgo": "a PNG image in base64",
    "\xd0\xcf\x11\xe0": "an old Office file",
}
_NO_TEXT: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ufffd]")
_NO_TEXT_SHARE: Final = 0.1
_PAGE: Final = re.compile(
    r"\s*(?:(?:<\?xml[^<>]{0,200}\?>|<!--.{0,500}?-->)\s*){0,5}<(?:!doctype html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_END_TAG: Final = re.compile(r"</[A-Za-z][\w:-]{0,40}\s*>")


def read_text(document: Document) -> str:
    """Return a document's text as Markdown, without characters nobody sees.

    What it is written in says ``metadata["content_type"]``, else the extension of its uri or id, else how it
    begins. Text from a web page that kept the page's name but has no tags is plain.

    Args:
        document: With a text.

    Raises:
        Unreadable: ``unsupported_format`` with the field that says so.

    Example:
        >>> read_text(Document(document_id="a.html", text="<h1>Guide</h1><p>Run it.</p>"))
        '# Guide\\n\\nRun it.'
        >>> read_text(Document(document_id="a", text="%PDF-1.7 ..."))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        schemas.records.Unreadable: text: begins like a PDF file; send its text as text/markdown, ...
    """
    text = clean(document.text or "")  # what is kept is cut again one day: the same must be seen in it
    written_in = _declared(document.metadata.get("content_type")) or _named(document, text) or _seen(text)
    _check(document.text or "")
    if written_in == "html":
        return clean(markdown_of(text))
    return headed(text) if written_in == "rst" else text


def _declared(content_type: object) -> Format | None:
    if content_type is None:
        return None
    field = "metadata.content_type"
    if not isinstance(content_type, str):
        what = f"{field}: expected text like text/markdown, got {type(content_type).__name__}"
        raise Unreadable("unsupported_format", what, field)
    told = content_type.partition(";")[0].strip().lower()
    if told and told not in _TYPES:
        raise Unreadable("unsupported_format", f"{field}: {told[:80]} cannot be read; {_REMEDY}", field)
    return _TYPES.get(told)


def _named(document: Document, text: str) -> Format | None:
    for name in (document.uri, document.document_id):
        found = _EXTENSIONS.get(PurePosixPath(_path(clean(name or ""))).suffix.lower())
        if found == "html" and not _END_TAG.search(text) and not _PAGE.match(text):
            return "plain"
        if found is not None:
            return found
    return None


def _path(name: str) -> str:
    """Return the path of a uri, or the name itself when it is none."""
    try:
        return urlsplit(name).path
    except ValueError:  # brackets that are no address
        return name


def _seen(text: str) -> Format:
    return "html" if _PAGE.match(text) else "markdown"


def _check(text: str) -> None:
    """Raise unless this is text."""
    for magic, what in _MAGIC.items():
        if text.startswith(magic):
            raise Unreadable("unsupported_format", f"text: begins like {what}; {_REMEDY}", "text")
    strange = len(_NO_TEXT.findall(text))
    if strange > _NO_TEXT_SHARE * len(text):
        what = f"text: {strange} of its {len(text)} characters are control or replacement characters"
        raise Unreadable("unsupported_format", f"{what}; {_REMEDY}", "text")
