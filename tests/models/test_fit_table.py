import numpy as np
import pytest

from models.fit_table import compare
from models.table.fitting import FIRST_CHARACTER, quantise, starting_rows
from models.table.grammar import move_segments, plant_words, read_phrases, write_segments
from models.table.segments import WrongReviewsError, read_clothing_segments

DOMAINS = read_phrases()


def test_every_slot_of_every_template_can_be_filled():
    for slots in DOMAINS.values():
        for filling in (text for texts in slots.values() for text in texts):
            assert all(part.split("}")[0] in slots for part in filling.split("{")[1:]), filling


def test_written_segments_are_different_complete_and_repeatable():
    written = write_segments(DOMAINS, 500, seed=1)
    assert len(set(written)) == 500
    assert not any("{" in segment for segment in written)
    assert written == write_segments(DOMAINS, 500, seed=1)
    assert written != write_segments(DOMAINS, 500, seed=2)


def test_moved_segments_speak_of_other_things():
    source = {"thing": ["dress"], "part": ["fit"]}
    target = {"music": {"thing": ["album"], "part": ["voice"]}}
    moved = move_segments(["The dress has a great fit", "I am tall", "two dresses"], source, target, 9, seed=0)
    assert moved == ["The album has a great voice", "two album"]


def test_a_planted_word_spares_the_common_ones():
    planted = plant_words(["the dress was", "it was"], ["router", "oven"], frozenset({"the", "was"}), seed=0)
    assert planted == ["the router was", "oven it was"]


def test_quantised_rows_keep_their_direction():
    rows = np.random.default_rng(0).normal(size=(FIRST_CHARACTER + 400, 16)).astype(np.float32)
    rounded = quantise(rows).astype(np.float64)
    cosines = (rows * rounded).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(rounded, axis=1)
    assert np.quantile(cosines, 0.01) > 0.998


def test_rare_words_start_heavier_than_frequent_ones():
    rng = np.random.default_rng(0)
    rows = starting_rows(rng.normal(size=(30_522, 8)).astype(np.float32), np.eye(8, dtype=np.float32))
    lengths = np.linalg.norm(rows, axis=1)
    assert lengths[1_996:2_006].mean() < 0.1 < lengths[2_100:2_200].mean() < lengths[20_000:20_100].mean()


def test_comparing_finds_equal_tables_equal_and_other_ones_not():
    table = np.random.default_rng(0).integers(-127, 128, (9, 5), dtype=np.int8)
    table[0] = 0
    assert compare(table, table) == pytest.approx(1.0)
    assert compare(table, np.roll(table, 1, axis=0)) < 0.9


def test_other_reviews_than_the_pinned_ones_are_refused(tmp_path):
    (tmp_path / "reviews_womens_clothing").mkdir()
    (tmp_path / "reviews_womens_clothing" / "womens_clothing.jsonl.gz").write_bytes(b"other")
    with pytest.raises(WrongReviewsError, match="has sha256"):
        read_clothing_segments(tmp_path, seed=0)
