"""Clean one claim of markup, shouting and the words that only lead up to it."""

import html
import re

_TAG = re.compile(r"<[^<>]{0,40}>")
_LINK = re.compile(r"https?:|www\.|\.com\b|@\w")
_ASIDE = re.compile(r"\s*[(\[][^()\[\]]*[)\]]")
_STRANGE = re.compile(r"[^\w\s.,;:!?'\"$%&/+*#°-]")
_QUOTED = re.compile(r"(?<!\w)'(\w[^']*\w)'(?!\w)")
_QUOTE_MARK = re.compile(r"(?<!\w)'|(?<= )-(?=\w)|(?<=\w)-(?= )")
_MARK_RUN = re.compile(r"([!?.,])[!?.,]+")
_SPACE = re.compile(r"\s+")
_SPACE_BEFORE_MARK = re.compile(r"\s+([,.;:!?])")
_GLUED = re.compile(r"(?<=[a-z]{2})([,;])(?=[A-Za-z])")
_LETTERS = re.compile(r"[A-Za-z]")
_SHOUT = re.compile(r"\b[A-Z]{4,}\b")

_QUOTES = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "`": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-"}
)

_LEADING_WORDS = (
    r"and|but|so|also|plus|umm?|man(?=,)|next(?=,)|well|honestly|overall|anyway|anyways|however|though|although|yes|yeah|yea|oh|wow|now|ok|okay"
    r"|basically|seriously|frankly|actually|again|first(?=,)|firstly|secondly|lastly|finally|all in all|in short"
    r"|bottom line|in general|in my (?:humble )?opinion|imo|imho|for me|to me|to be honest|tbh|as always|as usual"
    r"|otherwise|unfortunately|fortunately|luckily|sadly|thankfully|hopefully|additionally|furthermore|moreover|update"
    r"|pros?|cons?|on the other hand|with that said|that said|that being said|that way|then|because|except|yet"
    r"|first of all|i mean|the only (?:downside|problem|issue|drawback|con) (?:is|was) that|(?:it )?turns out"
    r"|of course|as for me"
)
_ALSO = "(?:also |really |just |still |do |honestly |personally )?"
_SAYING = "think|believe|guess|must say|have to say|have to admit|must admit|will say|would say"
_OPENER = re.compile(
    rf"^(?:(?:{_LEADING_WORDS})(?:\s*[,:]\s*|\s*-\s+|\s+)"
    rf"|(?:i|we) {_ALSO}(?:{_SAYING}|agree|noticed|suppose|feel|felt|thought|can say|know|found) (?:that|like) "
    rf"|(?:i|we) {_ALSO}(?:{_SAYING})[,:]? (?=(?:it|the|this|they|these|that|there)\b)"
    r"|it (?:seems|appears) (?:that |like |to me that )(?=(?:it|the|this|they|these)\b)"
    r"|(?:very )?first(?:ly)? off,? |one thing is (?:that )?)+",
    re.IGNORECASE,
)
_CLOSER = re.compile(
    r"(?:\s*,?\s+(?:though|too|either|lol|haha|imo|imho|for me|to me|in my opinion|as well|so|and yes|and|but"
    r"|or|at least|i think|i guess|i believe|i must say|in my book|for sure|ever|however))+$",
    re.IGNORECASE,
)
_ON_ME = re.compile(r"(?<!ing)\s+(?:for|on|to)\s+(?:me|us)\b(?=\s*(?:$|[,.;]|and\b|but\b))", re.IGNORECASE)
_FITS_ME = re.compile(r"\b(fits?|fitted|suits?)\s+(?:me|us)\b", re.IGNORECASE)
_THAN_THOUGHT = re.compile(
    r"\bthan (?:i|we) (?:had |would have |was |originally )*(?:thought|expected|imagined|anticipated|expecting|hoped)"
    r"(?: it would be| they would be)?\b",
    re.IGNORECASE,
)
_IN_MY_OPINION = re.compile(r",?\s*\bin\s+my\s+(?:humble\s+|honest\s+)?opinion\b,?", re.IGNORECASE)
_MY = re.compile(
    r"\b(?:my|our)\s+(?!(?:own|opinion|least|first|second|third|last|only|next|one|two|husband|wife|son|daughter"
    r"|(?:personal )?experiences?|needs?|life|mind|family|eyes?|hearts?|hands?|expectations?|money|taste"
    r"|knowledge|purposes?)\b)",
    re.IGNORECASE,
)
_MY_FAVORITE = re.compile(r"\b(?:my|our)\s+(?:new\s+)?(favou?rite)(s?)\b(?!\s*s)", re.IGNORECASE)

_THEIRS = {
    "i am": "they are",
    "i was": "they were",
    "i'm": "they're",
    "i've": "they've",
    "i'd": "they'd",
    "i'll": "they'll",
    "i": "they",
    "we're": "they're",
    "we've": "they've",
    "we'd": "they'd",
    "we'll": "they'll",
    "we": "they",
    "me": "them",
    "myself": "themselves",
    "ourselves": "themselves",
    "im": "they're",
    "ive": "they've",
}
_SELF = re.compile(r"\b(?:" + "|".join(_THEIRS) + r")\b(?!')", re.IGNORECASE)


def tidy(text: str) -> str | None:
    """Return one claim without markup, asides, shouting, openers and closers; None if it cannot be shown.

    The result has no final mark and keeps its first letter's case.

    Example:
        >>> tidy("And  I think that the <b>FABRIC</b> is soft (really)!!!")
        'the fabric is soft'
    """
    if _LINK.search(text):
        return None
    text = _TAG.sub(" ", html.unescape(text)).translate(_QUOTES)
    text = _ASIDE.sub("", text)
    if "(" in text or ")" in text or "?" in text:
        return None
    text = _STRANGE.sub(" ", text).replace('"', "").replace("*", "")
    text = _QUOTE_MARK.sub("", _QUOTED.sub(r"\1", text))
    text = _quieter(_MARK_RUN.sub(r"\1", text))
    text = _GLUED.sub(r"\1 ", _SPACE_BEFORE_MARK.sub(r"\1", _SPACE.sub(" ", text)))
    text = text.strip(" .,;:!-'/&+#%")
    text = _OPENER.sub("", text)
    return _CLOSER.sub("", text).strip(" .,;:!-/&+#") or None


def impersonal(text: str) -> str:
    """Return the text with "my" and "for me" taken out where that changes nothing.

    Example:
        >>> impersonal("it fits me well and works in my phone for me")
        'it fits well and works in the phone'
    """
    text = _IN_MY_OPINION.sub("", text)
    text = _THAN_THOUGHT.sub("than expected", text)
    text = _FITS_ME.sub(r"\1", text)
    text = _MY_FAVORITE.sub(lambda match: "favorites" if match[2] else "a favorite", text)
    return _ON_ME.sub("", _MY.sub("the ", text)).strip(" ,")


def reported(text: str) -> str:
    """Return what follows "Reviewers ..." with their own "I" told as "they".

    Example:
        >>> reported("love it so much that I'm ordering what we wanted")
        "love it so much that they're ordering what they wanted"
    """
    return _SELF.sub(lambda match: _THEIRS[match[0].lower()], text)


def small(text: str) -> str:
    """Return a text whose first word is known to be no name, without its capital."""
    return text[0].lower() + text[1:]


def _quieter(text: str) -> str:
    letters = _LETTERS.findall(text)
    if sum(letter.isupper() for letter in letters) > 0.5 * len(letters):
        return text.lower()
    return _SHOUT.sub(lambda match: match[0] if _is_acronym(match[0]) else match[0].lower(), text)


def _is_acronym(word: str) -> bool:
    """Return whether capitals are how the word is written: none of the vowels English needs, or digits."""
    return sum(letter in "AEIOUY" for letter in word) * 4 < len(word)
