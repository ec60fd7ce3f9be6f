import asyncio

import pytest

from models.ports import WriteRequest
from models.sentence_table import SentenceTable
from processors.simulator.simulator import Simulator
from processors.texts.material import material_change
from processors.texts.told import tell
from tests import parrot
from tests.bench import rewriting
from tests.bench.rewriting import MATURE, Counted, Parrot, Prompted, Tally, count, total
from tests.integration.harness import fold_offline
from tests.processors.readings import band, point, reading
from tests.quality.reading import read


@pytest.fixture(scope="module")
def table():
    return SentenceTable.load()


@pytest.fixture(scope="module")
def reviews():
    return list(Simulator(seed=3, products=2).reviews(40))


@pytest.fixture(scope="module")
def counted(reviews, table):
    return count(reviews, table)


def test_every_review_is_a_call_of_the_first_other_way_and_every_product_of_a_batch_one_of_the_second(
    reviews, table, monkeypatch
):
    monkeypatch.setattr(rewriting, "BATCH", 25)
    counted = count(reviews, table)
    batches = [reviews[start : start + 25] for start in range(0, len(reviews), 25)]
    assert counted.reviews == counted.each_review.calls == len(reviews)
    assert counted.each_batch.calls == sum(len({review.product_id for review in batch}) for batch in batches)


def test_a_call_is_made_where_the_product_would_make_it(reviews, table, counted):
    expected, before = 0, {}
    for number, review in enumerate(reviews, start=1):
        own = [one for one in reviews[:number] if one.product_id == review.product_id]
        after = read(own, table)
        if material_change(before.get(review.product_id), after):
            before[review.product_id] = after
            expected += bool(tell(after))
    assert counted.material.calls == expected
    assert 0 < expected < len(reviews)


def test_tokens_are_those_of_the_prompt_filled_in(reviews):
    engine = Parrot()
    prompted = Prompted(engine)
    (one, *_) = fold_offline(reviews).values()
    material = tell(one)
    (written,) = asyncio.run(prompted.writer.write([WriteRequest("p", one)]))
    assert material
    assert prompted.tokens(material) == (written.tokens_in, written.tokens_out)
    assert written.tokens_in == sum(engine.count(message.content) for message in prompted.messages(material))


def test_what_the_model_repeats_is_borne_out_by_its_points():
    engine = Parrot()
    told = reading(positive=band(6, [point("Battery lasts long", 3, 6)]))
    (written,) = asyncio.run(Prompted(engine).writer.write([WriteRequest("p", told)]))
    assert written.text == "Battery lasts long."


def test_a_review_is_mature_when_its_product_had_many_before_it(table):
    reviews = list(Simulator(seed=1, products=1).reviews(30))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewriting, "MATURE", 20)
        counted = count(reviews, table)
    assert counted.mature_reviews == 10
    assert counted.mature.calls < counted.material.calls
    assert MATURE == 200


def test_sets_are_added_up():
    one = Counted(10, 4, Tally(5), Tally(1))
    whole = total([one, one])
    assert (whole.reviews, whole.mature_reviews, whole.material.calls, whole.mature.calls) == (20, 8, 10, 2)


def test_a_parrot_says_again_what_it_was_told_last():
    told = f'... {parrot.ASKS}\n\n{{"id": "P1", "says": "never again!"}}\n'
    turns = [{"content": told.replace("P1", "P9")}, {"content": told}, {"content": "Write again."}]
    assert parrot.answer({"messages": turns}) == '{"sentences": [{"text": "Never again!", "points": ["P1"]}]}'
