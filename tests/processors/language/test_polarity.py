import pytest

from processors.language.lexicon import NEGATIVE, POSITIVE
from processors.language.polarity import polarity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the sound is great", 1.0),
        ("the sound is not great", -1.0),
        ("not that it was ever really great", 1.0),  # outside the window of three words
        ("no problems with it", 0.6),
        ("the strap is too long", -1.0),
        ("the strap is long", 0.0),
        ("soft but itchy", 0.0),
        ("", 0.0),
    ],
)
def test_polarity_follows_words_and_negation(text: str, expected: float) -> None:
    assert polarity(text.split())[0] == pytest.approx(expected)


def test_no_word_is_both_liked_and_disliked() -> None:
    assert not POSITIVE & NEGATIVE
