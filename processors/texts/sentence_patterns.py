"""How claims that are no whole sentence, or only their reviewer's, give themselves away."""

import re


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts), re.IGNORECASE)


IMPERATIVE = _pattern(
    r"^(?:please|buy|get|try|go|order|check|give|save|stay|run away|beware|avoid|keep|take|make sure|be|note|thanks",
    r"|thank|watch|hope|let|just|consider|remember|read|see|look (?:for|at|elsewhere)|ask|bring|skip|do|don't|dont",
    r"|trust)\b",
    r"|, (?:please|buy|get|try|go|order|don't|do not|dont|just|so|thanks|what)\b",
)
"""Advice to the reader."""

LEANING = _pattern(
    r"^(?:because|which|who|whom|that|than|then|where|until|cause|since|whose|or|nor|to|of|from|as|like|such|same",
    r"|another|others?|except|instead|hence|therefore|thus|compared|what|why|how|not only|either|neither|despite",
    r"|maybe|perhaps|hopefully|sometimes|enough|even|nothing|never|no|boy|thankful|did|would|have|had|will|been|am",
    r"|went|got|ended|paid|took|visited|having|being|training|traveling|looking|considering|keeping|first time|here",
    r"|stopped (?:in|by)|you know|a few|a lot|a couple|not an? (?:big |huge )?fan|c[ao]me (?:here|back)",
    r"|they have been here|barely|besides|\w+ing (?:it|them|this|that)|both (?:are|were|look|\w+ed))\b",
)
"""Parts of something longer, or of somebody's story, by their first words."""

LEADING = _pattern(
    r"^(?:if|when|while|after|before|for|with|without|in|on|at|although|though|once|as long as|by)\b",
)
"""Subordinate openings: whole only when a main clause follows."""

LATE_MAIN = _pattern(r"for [^,]+?( )(?:it|it's|this|these|they|they're|you)\b")
"""A main clause after "for ..." without a comma."""

LATE_SUBJECT = _pattern(r"(?: which| that| who|,? and (?:it|they|you|he|she)|, (?:this|it|they|that)) ")
"""Where a second clause begins: the first must have its own verb."""

PARTICULAR = _pattern(
    r"\b(?:today|yesterday|tonight|ago|last (?:night|week|month|year|time)",
    r"|this (?:morning|evening|weekend|girl|guy|lady)|chick|dude",
    r"|(?:last|other|another|first|second|previous|old) ones?|same thing|elsewhere|amazon|reviews?|reviewers?|stars?",
    r"|said|told|asked|wanted|bought|ordered|purchased|christmas|birthday|sucks?|\w*crap\w*|(?:19|20)\d\d",
    r"|the (?:\d{1,2}|[a-hj-z]))\b|--| - |\.[a-z]{2}",
)
"""What only the review's own story, or its place on a web page, explains."""

TRAILING = _pattern(r"\b(?:and|or|but) (?:the|a|an|it|they|this|its|their|very|so) ?\w*$")
"""The beginning of a second clause, cut short."""

GLUED = re.compile(r"\b[a-z]{3,}[A-Z][a-z]|\b[A-Z]{4,}[a-z]{2}")
"""Two sentences without the space between them."""

SECOND_VERB = _pattern(
    r"\band (?:normally |usually |also |really |highly |definitely |always )*",
    r"(?:love|like|use|wear|order|recommend|enjoy|want|need|have|am|get|go|buy|went|was|were|is|are|has)\b",
)
"""Verbs that would have to agree with a subject we may turn to one reviewer."""

PREDICATE = _pattern(
    r"^(?:absolutely |just |so |very |really |quite |pretty |super )*",
    r"(?:perfect|right|great|good|ideal|excellent|easy|hard|difficult|true|(?:well |not )?worth",
    r"|highly recommended|well (?:made|built)|(?:exactly )?as (?:advertised|described|expected|pictured)|too)\b",
    r"(?: (?:for|to|as|the|it|every|advertised|described|expected|pictured|if|in|with|and|big",
    r"|small|large|tight|short|long)\b|$)",
)
"""What "It is" completes."""

NOUN_FIRST = _pattern(r"^(?:set ?up|fit|cost|looks?|feel|sounds?|hits?) (?:is|was|are|were|and)\b")
"""Nouns that look like verbs."""

CLAUSE = _pattern(
    r"(?:,?\s+(?:and|because|as|plus|since|so)|,)\s+(?:also\s+|yes\s+)?",
    r"(?=(?:it|it's|the|this|they|they're|these|there|there's|you|all|everything|i|i'm|i've|we|my|our|she|he)\b)",
    r"|,\s+(?:and|so|but|just|no|which)\s+",
)
"""Borders of clauses that may stand alone."""

GOVERNED = _pattern(
    r"^(?:if|when|unless|until|before|after|once)\b|\b(?:told|said|says|thought|hop(?:e|ed|ing)|heard|expect(?:ed)?",
    r"|wish|supposed|claim(?:s|ed)?|doubt|believe|read|would|could|should|if|unless|whether|not sure|afraid)\b",
)
"""Conditions, wishes and hearsay: nothing may be taken from under them."""

BREAK = _pattern(
    r"\s+(?:for|of|with|to|in|at|and|but|that|from|on|as|which|if|when|than|by|or|because)\b|[,;:-]\s?",
)
"""Where the head of a fragment ends."""
