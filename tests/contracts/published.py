"""Records as we publish them: made by the agents' own code from invented reviews, without a broker."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from infra import fences, outbox
from infra.database import Store
from infra.leases import Leased
from infra.outbox import Cause, Output, Waiting
from processors.features import Count, Events, FeatureTable, Last
from processors.simulator import Simulator
from schemas.points import Points
from streams.holes import Lost
from streams.letters import lost_range, refused_output
from streams.summarize import WRITING, Pace, SummarizeHandler
from tests.streams import feature_world
from tests.streams.answer_world import ANSWERS
from tests.streams.digest_worker import ZERO, Worker, prepare, queued
from tests.streams.fakes import (
    DEAD_LETTERS,
    POINTS,
    START_S,
    SUMMARIES,
    Clock,
    FakeWriter,
    applier,
    make_writing,
    raw,
    review,
    run,
)
from tests.streams.index_worker import INDEXED, deletion
from tests.streams.index_worker import queued as index_queued
from tests.streams.test_answers_over_the_index import World, written

TRACE = {"traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": b"shop=1"}
SEED = 4
EMPTIED = "ünïque/product"


def publish(store: Store) -> list[Output]:
    """Run reviews, an edit, deletions and unreadable records through digest and summarize.

    Returns:
        All they publish: points, summaries with and without a text, dead letters of every make.
    """
    clock = Clock()
    worker = Worker(prepare(store), clock)
    worker.apply(*(raw(offset, value, headers=tuple(TRACE.items())) for offset, value in enumerate(inputs())))
    worker.rest(clock)
    points = [one.output for one in queued(store, POINTS)]
    letters = [one.output for one in queued(store, DEAD_LETTERS)]
    summaries = summarize(store, points, clock)
    return [*points, *summaries, *letters, *other_letters(summaries[0])]


def publish_found(store: Store) -> list[Output]:
    """Run documents, a review and a question through index and answer, and take what was cited away.

    Returns:
        All they publish: documents indexed, edited and deleted, an edited review, an answer and its withdrawal.
    """
    world = World(store)
    world.change(written("A pump moves water.", tenant="acme"))
    world.ask("What moves water?", principals=["sales"], tenant="acme")
    answered = [one.output for one in index_queued(store, ANSWERS)]
    world.change(written("A valve stops it.", tenant="acme"))
    world.change(deletion(1, tenant="acme"))
    for text in ("It runs small.", "It runs large."):
        world.change(review(1, "dress", text=text))
    return [*answered, *(one.output for topic in (INDEXED, ANSWERS) for one in index_queued(store, topic))]


def publish_features(store: Store) -> list[Output]:
    """Run events, a correction and a retraction through featurize.

    Returns:
        All it publishes: rows, and one of which nothing is left.
    """
    table = FeatureTable("sales", "customer", Events("sale"), {"sales": Count(), "city": Last("city")})
    feature_world.begin(store)
    worker = feature_world.Worker(store, [table])
    sale = feature_world.event("e", city="Köln")
    other = feature_world.event("f", "d", city="Halle")
    told = (
        other,
        sale,
        {**sale, "revision": 1, "values": {"city": "Leipzig"}},
        {**sale, "revision": 2, "op": "delete"},
    )
    for offset, record in enumerate(told):
        worker.apply(feature_world.sent(offset, record))
    with store.read() as connection:
        return [one.output for one in outbox.for_topic(connection, feature_world.FEATURES)]


def inputs() -> list[object]:
    first, second, *rest = (msgspec.to_builtins(one) for one in Simulator(SEED, products=2).reviews(120))
    edit = {**first, "revision": 1, "text": "The seams came apart after two days, sadly."}
    only = review(1, EMPTIED)
    unreadable = [review(2, rating=7), b"\xff", None]
    return [first, second, *rest, edit, gone(second), only, gone(only), *unreadable]


def gone(record: dict) -> dict:
    return {"review_id": record["review_id"], "product_id": record["product_id"], "op": "delete", "revision": 1}


def summarize(store: Store, points: Sequence[Output], clock: Clock) -> list[Output]:
    with store.write() as connection:
        fences.create(connection, (POINTS, 0), 0, "cluster", "topic")
    handler = SummarizeHandler(store, topic=SUMMARIES, pace=Pace(2.0, 5.0, 30.0, refreshes=False), now=clock)
    arriving = [
        raw(offset, one.value, topic=POINTS, key=one.key, headers=tuple(one.headers.items()))
        for offset, one in enumerate(points)
    ]
    applier(handler, store).apply(run(*arriving))
    with store.read() as connection:
        shown = [waiting.output for waiting in outbox.oldest(connection, [(POINTS, 0)], 1_000)]
    product_ids = sorted({msgspec.json.decode(one.value, type=Points).product_id for one in points} - {EMPTIED})
    return [*shown, *(write(store, product_id, clock) for product_id in product_ids)]


def write(store: Store, product_id: str, clock: Clock) -> Output:
    """Have one product's text written."""
    writing = make_writing(store, FakeWriter(), FakeWriter(), now=clock)

    async def decide() -> Output:
        leased = Leased(WRITING, product_id, 1, "first text", 1, (Cause(POINTS, 0, 0),), "token", TRACE)
        (job,) = writing.prepare([leased])
        (answer,) = await writing.call([job])
        _, output = writing.decide(job, answer)
        return output

    return asyncio.run(decide())


def other_letters(output: Output) -> list[Output]:
    """What is made when records are gone, and when the broker refuses an output, and then its dead letter too."""
    lost, _ = lost_range(ZERO, Lost(3, 9), "digest", DEAD_LETTERS, datetime.fromtimestamp(START_S, UTC))
    refused, again = (
        refused_output(Waiting(1, output, Cause(POINTS, 0, offset)), "summarize", DEAD_LETTERS, START_S)
        for offset in (1, 2)
    )
    stripped = refused_output(Waiting(2, again, Cause(POINTS, 0, 2)), "summarize", DEAD_LETTERS, START_S)
    return [lost, refused, stripped]
