"""Build the featurize agent."""

from streams.features.copying import build_copying
from streams.features.health import FeatureWatch, Freshness
from streams.features.module import load_features
from streams.featurize import FeaturizeHandler
from streams.featurizing.announcing import Announcing
from streams.featurizing.clearing import Clearing
from streams.featurizing.definitions import Definitions
from streams.featurizing.filling import Filling
from streams.featurizing.keeping import Keeping
from streams.featurizing.keys import Keys
from streams.parts import Context, Parts
from streams.publisher import Publisher
from streams.topics import topic_name


def build(context: Context) -> Parts:
    """Build its handler and what is done beside it; from now on the definitions of the module stand.

    Raises:
        Unusable: If there is no module of definitions, or it cannot be imported.
    """
    settings, store, now = context.settings, context.store, context.now
    module = load_features(settings)
    definitions = Definitions(store, list(module.tables.values()), now)
    definitions.reconcile()
    keys = Keys(store, settings.features.cached_keys)
    topic, first = topic_name(settings.kafka.prefix, "features"), (topic_name(settings.kafka.prefix, "events"), 0)
    freshness = Freshness(now)
    handler = FeaturizeHandler(store, definitions, keys, topic=topic, now=now, timed=freshness.committed)

    def keeping(publisher: Publisher) -> Keeping:
        return Keeping(
            store,
            definitions,
            keys,
            filling=Filling(store, definitions, keys, now=now, crash=context.crash),
            announcing=Announcing(store, definitions, keys, topic=topic, first=first, now=now),
            clearing=Clearing(store, definitions, keys, topic=topic, first=first, now=now),
            publisher=publisher,
            first=first,
            mine=context.mine,
            now=now,
        )

    def watch(_publisher: Publisher) -> FeatureWatch:
        slot = int(context.owner.split("-")[1])  # agent-slot-home
        return FeatureWatch(store, settings.home, slot, freshness, now)

    return Parts(handler, (keeping, watch, build_copying(context, module)))
