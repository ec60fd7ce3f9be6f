import pytest

from models.local.limits import BLOCK_TOKENS, SPARE_BLOCKS, Limits
from models.ports import Decoding

LIMITS = Limits(vocabulary=50, context=None, batch_tokens=200, cache_blocks=5)
ROOM = (5 - SPARE_BLOCKS) * BLOCK_TOKENS


@pytest.mark.parametrize(("joins", "room"), [(True, ROOM), (False, 200)])
def test_the_last_token_fits_and_one_more_does_not(joins, room):
    assert LIMITS.refuse([1] * (room - 10), Decoding(10), joins) is None
    assert LIMITS.refuse([1] * (room - 9), Decoding(10), joins) is not None


def test_a_token_the_model_does_not_know_never_reaches_it():
    assert LIMITS.refuse([49], Decoding(10), joins=True) is None
    failure = LIMITS.refuse([3, 50], Decoding(10), joins=True)
    assert (failure.lasting, "do not belong together" in failure.error) == (True, True)


def test_an_empty_prompt_is_refused():
    assert LIMITS.refuse([], Decoding(10), joins=True).error == "the prompt is empty"


def test_the_likeliest_words_and_the_widest_choice_are_allowed():
    assert LIMITS.refuse([1], Decoding(10, temperature=0.0, top_p=1.0), joins=True) is None
