"""Words that tell whether a claim is a whole sentence, and how to make it one."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _forms(verbs: str) -> frozenset[str]:
    """Return third persons and pasts of regular verbs; good enough to recognise, never used to write."""
    found = set()
    for verb in verbs.split():
        found.add(verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "o")) else "s"))
        found.add(verb + ("d" if verb.endswith("e") else "ed"))
    return frozenset(found)


SELF = _words("i im ive id ill me my mine we us our ours myself ourselves i'm i've i'd i'll we've we're we'll we'd")
"""Words only the reviewer can say."""

RELATIVES = _words(
    """husband wife son daughter mom mother dad father friend friends boyfriend girlfriend sister brother
    grandson granddaughter nephew niece kid kids kid's hubby fiance he's she's mil he she him her his hers himself
    herself grandmother grandfather boss coworker"""
)
"""People a stranger to the review does not know."""

AUXILIARIES = _words(
    """is are was were be been am isn't aren't wasn't weren't has have had hasn't haven't hadn't do does did
    don't doesn't didn't can could will would should may might must can't cannot couldn't won't wouldn't
    shouldn't isnt arent wasnt doesnt dont didnt cant wont it's it'll that's there's they're they'll you'll
    you're its'"""
)

IRREGULARS = _words(
    """goes went comes came gets got makes made takes took gives gave holds held keeps kept runs ran feels fits
    fit sits sat stands stood wears wore washes reads writes wrote costs cost says said tells told finds found
    thinks thought sees saw knows knew leaves left loses lost sells sold sends sent pays paid puts put sets
    set shows showed shuts shut breaks broke falls fell tears tore shrinks shrank sleeps speaks spoke tastes
    smells sounds looks seems hits cuts hangs hung lets begins began becomes became buys bought brings brought
    builds built catches caught draws drew drives drove eats ate fights flies flew lies lay means meant meets
    met rides rises rose sells shakes shines shoots sings sinks slides spends spent sticks stuck tastes
    teaches wakes wins won works dries fries tries tried dries carries carried varies"""
)

VERBS = (
    AUXILIARIES
    | IRREGULARS
    | _forms(
        """work look feel fit run hold last arrive perform stay seem provide need fail stop die charge load format
        install recognize recognise detect transfer record save store ship deliver serve offer include cover
        protect support clean dry move turn start end help cause leak crack rip stretch fade peel snap pill bunch
        ride flatter hug hang drape flow match suit please impress disappoint surprise satisfy expect require
        allow add remove use wear love like enjoy recommend hate appreciate prefer want return refund replace
        respond answer ignore treat wait cook season fill drop slip pinch rub hurt itch stain wash iron wrinkle
        warp bend twist lock close open connect disconnect pair sync overheat melt burn ruin destroy damage spill
        smoke rock glow spark corrupt erase copy boot freeze crash lag play sound taste smell shine sparkle glow
        tarnish rust chip scratch dent close change improve lack exceed beat compare complain advise report praise
        mention appear remain suffer range live talk walk stand shrink"""
    )
) - _words(
    """disappointed satisfied pleased impressed surprised stores records transfers covers leaks scratches stains
    chips dents boots cooks hangs helps offers costs pills snaps charges treats finds cuts hits sets turns
    loads"""
)
"""Finite verbs, without those that are more often nouns or adjectives: a claim with none of them is a fragment."""

IT_VERBS = _words(
    """works fits looks feels does doesn't has holds runs performs stays keeps lasts makes seems provides gives
    is isn't was wasn't goes washes smells tastes comes needs charges reads writes takes sounds wears hugs
    hangs drapes covers cleans protects plays costs shows serves offers allows helps falls flows sits hits
    worked looked lasted arrived came died failed stopped broke fell shrank faded cracked ripped leaked seemed
    installed stretched tore fit performed tasted smelled arrives requires includes supports"""
)
"""Verbs a claim without a subject may start with when the product is meant."""

THEY_VERBS = _words("look feel are aren't were weren't run have seem work don't hold stay keep stretch break last")

ADVERBS = _words(
    """very so really super extremely quite too pretty incredibly absolutely just not such overall fairly rather
    truly surprisingly totally completely exceptionally most more always definitely also highly well a bit
    little beautifully nicely ridiculously crazy insanely wonderfully extra plus"""
)

ADJECTIVES = _words(
    """great good excellent awesome amazing perfect wonderful fantastic nice best better beautiful comfortable
    comfy fast quick easy happy reliable sturdy durable solid fine flawless impressive fun enjoyable delicious
    tasty fresh friendly helpful clean cute soft flattering affordable cheap inexpensive reasonable superb
    gorgeous stylish smooth strong bright clear crisp generous attentive outstanding terrific brilliant
    convenient useful lightweight light accurate cool classic catchy powerful authentic cozy polite courteous
    spacious effective yummy lovely decent elegant unique versatile warm simple sharp quiet compact roomy
    sleek feminine rich loud big large small little long short wide narrow heavy thin thick slim true
    true-to-size professional knowledgeable prompt welcoming hot bad poor terrible awful horrible worst worse
    disappointing defective useless slow hard difficult uncomfortable itchy tight loose wrong dead annoying
    rude dirty bland overpriced expensive pricey ugly flimsy stiff boring dull weak noisy cold stale greasy
    mediocre unusable unreliable awkward baggy boxy frumpy scratchy smelly sloppy fashionable casual dressy
    versatile breathable stretchy waterproof well-made well-built high-quality bulky adorable charming funky
    trendy moist juicy crispy flavorful salty spicy sweet dry tender old new okay average basic proper
    standard"""
)
"""Words that judge or describe; between these and a noun an article may be missing."""

MASS_NOUNS = _words(
    """quality value sound fit color colour service food material fabric storage capacity speed performance
    battery life delivery shipping packaging stuff leather support comfort size fun length style taste flavor
    flavour atmosphere ambiance ambience staff parking music coffee seating cushioning construction
    workmanship craftsmanship craft customer-service communication memory space software hardware coverage
    protection grip stitching cotton silk wool denim lighting cleaning work entertainment decor
    value-for-money versatility reliability durability selection management help"""
)

LOWER_FIRST = _words(
    """the a an this that these those it it's its they they're there there's some most many no not all every each
    one you your when if while after for with at in on as even only although though because once since
    reviewers customers customer service shipping delivery quality price prices food staff size sizing fabric
    material colors color colour sound battery setup waiters portions everything nothing"""
)
"""First words that lose their capital inside a sentence: none is a name."""

DANGLING = _words(
    """and or but the a an my is are was were because than very if when which that's so as of from by at with to
    your it's who what how where while until into like not no i you they we just even some any about for in on
    has have had be been being does did do will would can could should i'm such their its more also too much
    really quite only then get got"""
) - _words("not so much too for in on this those also do just it's no really about any some like")
"""Last words of a claim that was cut short."""

OPPOSITES = (
    (_words("small smaller tiny snug tight"), _words("large larger big bigger huge loose baggy roomy oversized")),
    (_words("true"), _words("small smaller large larger big bigger")),
    (_words("short shorter"), _words("long longer")),
    (_words("fast quick quickly faster speedy prompt promptly"), _words("slow slowly slower")),
    (_words("thin thinner flimsy sheer"), _words("thick thicker sturdy heavy heavyweight")),
    (_words("cheap inexpensive affordable"), _words("expensive overpriced pricey costly")),
    (_words("easy easily simple"), _words("hard difficult complicated")),
    (_words("quiet silent"), _words("loud noisy")),
    (_words("soft"), _words("stiff scratchy itchy rough hard")),
    (_words("friendly polite courteous attentive"), _words("rude unfriendly indifferent")),
    (_words("comfortable comfy"), _words("uncomfortable painful")),
    (_words("light lightweight"), _words("heavy bulky")),
    (_words("fresh hot"), _words("stale cold")),
    (_words("clean spotless"), _words("dirty filthy")),
)
"""Word pairs that two sentences of one section must not bring together."""
