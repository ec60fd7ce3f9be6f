import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.calls.splitting import choose

KEYS = [f"B{number:05}" for number in range(4_000)]
NAMES = st.text(min_size=1, max_size=8)
SHARES = st.dictionaries(NAMES, st.floats(0.01, 10), min_size=1, max_size=5)


def spread(shares):
    chosen = [choose(key, shares) for key in KEYS]
    return {name: chosen.count(name) / len(KEYS) for name in shares}


@pytest.mark.parametrize("shares", [{"a": 0.9, "b": 0.1}, {"a": 1, "b": 1, "c": 2}, {"a": 0.5, "b": 0.5}])
def test_keys_are_spread_as_the_shares_say(shares):
    whole = sum(shares.values())
    # Four standard deviations of a share of 4,000 draws are below .032.
    assert spread(shares) == pytest.approx({name: share / whole for name, share in shares.items()}, abs=0.032)


@given(st.text(), SHARES)
def test_a_key_keeps_its_name_whatever_the_order_or_the_unit_of_the_shares(key, shares):
    backwards = dict(reversed(shares.items()))
    assert choose(key, shares) == choose(key, backwards) == choose(key, {one: 8 * it for one, it in shares.items()})


@given(st.text(), SHARES, st.data())
def test_when_one_share_grows_keys_only_move_to_it_and_when_it_goes_only_its_own_move(key, shares, data):
    name = data.draw(st.sampled_from(sorted(shares)))
    before = choose(key, shares)
    assert choose(key, {**shares, name: shares[name] * 2}) in (before, name)
    rest = {one: share for one, share in shares.items() if one != name}
    if rest and before != name:
        assert choose(key, rest) == before


@given(st.text(), SHARES)
def test_a_name_without_a_share_is_never_chosen(key, shares):
    assert choose(key, {**shares, "nobody": 0.0}) == choose(key, shares)


def test_somebody_must_have_a_share():
    with pytest.raises(ValueError, match="share above 0"):
        choose("key", {"a": 0.0})
