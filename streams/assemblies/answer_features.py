"""Build what tells answers the features of what is asked about."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from infra.settings import Settings
from streams.answer_features import AnswerFeatures
from streams.features.module import FeatureModule, load_features
from streams.features.reading import FeatureReader
from streams.functions.function_pool import FunctionPool
from streams.functions.function_process import FunctionsUnusable
from streams.parts import Service
from streams.places import store_place
from streams.unusable import Unusable

log = structlog.get_logger("answering")


def build_features(settings: Settings, now: Callable[[], float]) -> tuple[AnswerFeatures, Service]:
    """Build it, and the service that gives back what it holds.

    A user's module that cannot be loaded stops featurize, not this: there are answers without features.

    Args:
        settings: Name the module, and the spec of requests that name none.
        now: Unix seconds.

    Raises:
        Unusable: If the module is there, but not the spec that is set.
    """
    module, because = _load(settings)
    spec = settings.answer.features
    if spec is not None and because is None and spec not in module.specs:
        remedy = f"There is {', '.join(module.specs) or 'none'} in {settings.features.module}; see answer.features."
        raise Unusable(f"there is no feature spec {spec!r}", remedy)
    reader = FeatureReader(store_place(settings, "featurize"), now=now)
    pool = FunctionPool(settings.features.module or "", settings.features.function_s)
    threads = ThreadPoolExecutor(settings.answer.concurrency, "features")
    features = AnswerFeatures(module.specs, reader, pool, spec=spec, threads=threads, now=now, because=because)
    called = any(one.functions for one in module.specs.values())
    return features, lambda _: _Keeping(reader, pool, called=called)


def _load(settings: Settings) -> tuple[FeatureModule, str | None]:
    try:
        return load_features(settings), None
    except Unusable as error:
        if settings.features.module:
            log.error("answers go without features", why=str(error))
        return FeatureModule({}, {}, {}), error.message


class _Keeping:
    """Starts what functions run in, so that the first request need not wait, and gives everything back at the end."""

    def __init__(self, reader: FeatureReader, pool: FunctionPool, *, called: bool) -> None:
        self._reader = reader
        self._pool = pool
        self._called = called

    async def run(self) -> None:
        """Wait for the end."""
        try:
            if self._called:
                await asyncio.to_thread(self._start)
            await asyncio.get_running_loop().create_future()
        finally:
            self._pool.close()
            self._reader.close()

    def _start(self) -> None:
        try:
            self._pool.start()
        except FunctionsUnusable as error:
            log.error("answers go without features that are computed", why=str(error))
