import pytest

from processors.language.wording import Wording

REVIEW = "The sole caught fire and burned my foot in Zanzibar last autumn. Great value! The laces are purple."


@pytest.mark.parametrize(
    "copied",
    [
        "The laces are purple",
        "Some say: THE   laces are\npurple!!",
        "One was told that fire and burned my foot in Zanzibar last was all it did",
        "<br />the laces are purple",
    ],
)
def test_a_copy_is_recognised_whatever_stands_around_it(copied):
    assert Wording([REVIEW]).found_in(copied)


@pytest.mark.parametrize(
    "other",
    [
        "Great value!",  # everybody's
        "the laces are green",
        "caught fire and burned my foot in",  # seven words of a long sentence
        "",
    ],
)
def test_what_says_little_of_it_is_no_copy(other):
    assert not Wording([REVIEW]).found_in(other)


def test_texts_are_read_as_the_digest_reads_them():
    wording = Wording(["It&#39;s a &quot;wonder&quot; of a kettle<br/>Never again for me"])
    assert wording.found_in('It\'s a "wonder" of a kettle')
    assert wording.found_in("never again for me")
    assert not wording.found_in("kettle never again for")


def test_scripts_without_spaces_are_recognised_too():
    assert Wording(["手机套很好用颜色也很漂亮"]).found_in("有人说手机套很好用颜色也很漂亮")
    assert not Wording(["手机套很好用颜色也很漂亮"]).found_in("手机套很")


def test_words_that_are_others_too_can_be_left_out():
    wording = Wording([REVIEW])
    rest = wording.without(wording.found_in("I say, the laces are purple."))
    assert not rest.found_in("The laces are purple.")
    assert rest.found_in(REVIEW)
    assert not rest.without(wording.found_in(REVIEW))


def test_nothing_is_recognised_by_nothing():
    assert not Wording(["", "Nice!"])
    assert not Wording([]).found_in(REVIEW)
