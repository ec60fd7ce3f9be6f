"""Tell what reviewers say of themselves in the third person."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from processors.language.tidying import impersonal, reported, small


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence, without its final period.

    Args:
        text: The sentence, or what follows its subject when the reviewers are the subject.
        singular: The same with the verb for one reviewer; empty when the product is the subject.
        story: Whether it happened to one reviewer, however many say the like.
    """

    text: str
    singular: str = ""
    story: bool = False

    @property
    def personal(self) -> bool:
        """Whether the reviewers are its subject."""
        return bool(self.singular)

    @property
    def sentence(self) -> str:
        """The whole sentence without a period."""
        if self.story:
            return f"One reviewer {self.text}"
        return f"Reviewers {self.text}" if self.personal else self.text


_I = r"(?:i|we)"
_HOW = (
    r"((?:(?:really|absolutely|just|truly|also|still|both|all|simply|do|did|personally|especially|particularly"
    r"|certainly"
    r"|definitely|totally|highly|strongly|very|so|much|too|completely|extremely|always|not|most|will|would|would not"
    r"|wouldn't|don't|do not|did not|didn't|thoroughly|quite|pretty|super|more than|beyond|even)\s+){0,3})"
)
_LIKES = (
    r"(love|like|enjoy|hate|dislike|appreciate|recommend|adore|prefer|use|wear|wish|want|loved"
    r"|liked|enjoyed|hated|disliked|appreciated|recommended|found|find|wished)"
)
_FELT = (
    r"(happy|pleased|satisfied|impressed|disappointed|unhappy|thrilled|delighted|amazed|surprised|dissatisfied"
    r"|concerned|worried|glad|grateful|frustrated|confused|skeptical|excited)"
)

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], Statement]]


def _rule(pattern: str, build: Callable[[re.Match[str]], Statement]) -> Rule:
    return re.compile(rf"^{pattern}$", re.IGNORECASE), build


def _third(verb: str) -> str:
    return "wishes" if verb == "wish" else verb if verb.endswith("ed") or verb == "found" else verb + "s"


def _liking(match: re.Match[str]) -> Statement:
    how, verb, rest = (group.lower() if index < 2 else group for index, group in enumerate(match.groups()))
    if re.search(r"\b(?:do|did|don't|didn't|would|wouldn't|will)\b", how):
        singular = re.sub(r"\bdo\b", "does", re.sub(r"\bdon't\b", "doesn't", how)) + verb
    else:
        singular = how + _third(verb)
    return Statement(f"{how}{verb} {rest}", f"{singular} {rest}")


def _feeling(match: re.Match[str]) -> Statement:
    was, how, felt, rest = match.groups(default="")
    past = was.lower() in {"was", "were"}
    tail = f"{how.lower()}{felt.lower()}{rest}"
    return Statement(f"{'were' if past else 'are'} {tail}", f"{'was' if past else 'is'} {tail}")


def _fixed(plural: str, singular: str) -> Callable[[re.Match[str]], Statement]:
    """Build from templates in which ``{0}``, ``{1}`` are the groups."""

    def build(match: re.Match[str]) -> Statement:
        first, *others = match.groups(default="")
        groups = [small(first), *others]
        return Statement(plural.format(*groups), singular.format(*groups))

    return build


_PERSONAL: tuple[Rule, ...] = (
    _rule(rf"{_I}\s+{_HOW}{_LIKES}\s+((?!is\b|was\b|are\b).+)", _liking),
    _rule(
        rf"{_HOW}(love|like|loved|liked|enjoyed|hated|hate|wish)\s+((?:the|this|it|these|them|they|how|that)\b.*)",
        _liking,
    ),
    _rule(
        r"((?:do not|don't|would not|wouldn't|highly|strongly|definitely|would|would highly|would definitely)\s+)"
        r"(recommend)\s+(.+)",
        _liking,
    ),
    _rule(rf"{_I}\s+((?:would|will|wouldn't|won't|can't|cannot|could|couldn't)\s+.+)", _fixed("{0}", "{0}")),
    _rule(
        rf"{_I}'d\s+((?:definitely\s+|highly\s+|gladly\s+)?(?:recommend|buy|go|order)\s+.+)",
        _fixed("would {0}", "would {0}"),
    ),
    _rule(
        r"((?:would|will)\s+(?:definitely\s+|certainly\s+|highly\s+|not\s+|never\s+|gladly\s+|absolutely\s+)?"
        r"(?:buy|purchase|order|come|go|shop|stay|use)\s.+)",
        _fixed("{0}", "{0}"),
    ),
    _rule(
        rf"(?:{_I}(?:'m|'re)\s+|{_I}\s+(am|was|are|were)\s+)?{_HOW}{_FELT}(\s+(?:with|by|at|in|how|about|that|to)\b.+)",
        _feeling,
    ),
    _rule(
        rf"(?:{_I}(?:'ve)?\s+)?(?:have\s+|had\s+|have\s+had\s+)?(?:absolutely\s+)?(?:no|zero)\s+"
        r"(problems?|issues?|complaints?|trouble)\b(.*)",
        _fixed("report no {0}{1}", "reports no {0}{1}"),
    ),
    _rule(
        rf"{_I}\s+(?:have|had)\s+(?:a lot of\s+|some\s+)?(trouble|problems|issues|difficulty)\s+(.+)",
        _fixed("had {0} {1}", "had {0} {1}"),
    ),
    _rule(
        rf"(?:{_I}(?:'ve)?\s+)?(?:have\s+)?(?:always\s+)?(?:get|got|gotten|received|receive)\s+((?:\w+\s+){{0,4}}compliments)\b(.*)",
        _fixed("got {0}{1}", "got {0}{1}"),
    ),
    _rule(
        r"(?:please\s+)?(?:do not|don't|dont)\s+((?:buy|order|purchase|bother|go|eat|waste|get)\s.+)",
        _fixed("advise not to {0}", "advises not to {0}"),
    ),
)


_STORY = re.compile(
    r"^(?:i|we) (?:(also|never|just|really|actually|even|have|had|haven't|hadn't|already|always|recently) )?"
    r"(had|has|was|were|used|wore|needed|wanted|tried|took|put|paid|returned|received|got|washed|noticed|expected"
    r"|thought|felt|loved|sent|exchanged|replaced|went|ended|kept|lost|stopped|started|ran|plugged|installed"
    r"|worn|waited"
    r"|called|emailed|contacted|ate|left|didn't|couldn't|wasn't|been|seen|owned|dropped|charged|sized|spent"
    r"|called|looked|searched|compared|formatted|transferred|copied|worked|played|enjoyed|attached|decided"
    r"|gave)\b(.*)$",
    re.IGNORECASE,
)
_MINE = re.compile(r"\b(?:my|our)\b", re.IGNORECASE)


def story(text: str) -> Statement | None:
    """Return what happened to one reviewer, told of "One reviewer"; None if it is no such story.

    Only past tenses are taken: they need no other form for another person.

    Example:
        >>> story("I wore them all day in my office").singular
        'wore them all day in their office'
    """
    match = _STORY.match(text)
    if match is None:
        return None
    before, verb, rest = match.groups(default="")
    before = {"have": "has", "haven't": "hasn't"}.get(before.lower(), before.lower())
    told = reported(_MINE.sub("their", f"{before} {'was' if verb.lower() == 'were' else verb.lower()}{rest}".strip()))
    return Statement(told, told, story=True)


def personal(text: str) -> Statement | None:
    """Return what a reviewer says of the own liking, use or trouble, told of "Reviewers"; None if it is none.

    Example:
        >>> personal("I'm very happy with the fit").sentence
        'Reviewers are very happy with the fit'
    """
    for pattern, build in _PERSONAL:
        match = pattern.match(text)
        if match:
            built = build(match)
            return Statement(reported(impersonal(built.text)), reported(impersonal(built.singular)))
    return None
