from dataclasses import replace
from pathlib import Path

import pytest

from infra.kafka.producer import Receipt
from infra.places import StorePlace
from infra.store_errors import StoreFailed
from schemas.reviews import Review
from streams.cli.erasing.sought import Sought
from streams.cli.errors import CommandError, Exit
from streams.graph import AGENTS
from tests.streams.cli.erasing.stage import Chain, Stores
from tests.streams.cli.fake_logs import Logs, record

RECEIPT = Receipt("reviews", 0, 6)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain("reviews", list(AGENTS.values()), Stores(tmp_path), Logs(), "digest", None)


def test_first_only_readers_of_the_kind_are_waited_for_then_everyone_until_the_deletion_stands(chain: Chain) -> None:
    steps = chain.steps()
    steps.await_applied()
    steps.await_gone(RECEIPT)
    steps.await_gone(None)
    assert chain.waits == [
        (["digest", "index", "featurize"], {"reviews": {("reviews", 0): (0, 9)}}, True),
        (list(AGENTS), {"reviews": {("reviews", 0): (0, 7)}}, False),
        (list(AGENTS), {"reviews": {("reviews", 0): (0, 9)}}, False),
    ]


def test_a_deletion_that_nobody_would_take_is_not_sent(chain: Chain) -> None:
    with pytest.raises(CommandError, match="No review can have this id") as told:
        chain.steps().send(Review(review_id="x" * 300, product_id="p", op="delete"))
    assert (told.value.code, chain.produced) == (Exit.USAGE, [])


def test_the_words_of_all_versions_are_looked_for(chain: Chain) -> None:
    said = "The sole caught fire in Zanzibar."
    chain.logs.topics["reviews"] = [record(0, {"product_id": "p", "review_id": "r1", "text": said})]
    copies, sought = chain.steps().find_versions(Sought("p", "r1"), ["The laces dissolved in salty water."])
    assert copies.records == 1
    assert sought.said_in(f"Somebody says: {said}")
    assert sought.said_in("Here the laces dissolved in salty water.")


def test_stores_that_are_missing_are_not_purged(chain: Chain) -> None:
    assert chain.steps().purge(Sought("p", "r1")) == []


def test_a_store_that_cannot_be_written_anew_is_not_called_scrubbed(chain: Chain) -> None:
    def scrub(agent: str) -> bool:
        if agent == "index":
            raise StoreFailed(StorePlace(agent, chain.stores.home), "it is in use", "Try again.")
        return agent != "answer"

    assert replace(chain.steps(), scrub=scrub).scrubbed() == ["digest", "summarize", "featurize"]
