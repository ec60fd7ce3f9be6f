import pytest

from processors.texts.material import material_change
from tests.processors.readings import band, point, reading


def shares(counts: dict[str, int], of: int, safety: int = 0):
    points = [point(name, count, of, point_id=name) for name, count in counts.items()]
    return reading(band(of, points), safety=safety)


MATURE = {"a": 500, "b": 400, "c": 300, "d": 200, "e": 100}


def test_without_a_text_any_reading_is_material():
    assert material_change(None, reading()) == "first text"


def test_the_same_points_are_not():
    assert material_change(shares(MATURE, 1000), shares(MATURE, 1000)) is None


def test_two_new_points_among_the_top_are():
    new = {"a": 500, "b": 400, "x": 300, "y": 200, "e": 100}
    assert material_change(shares(MATURE, 1000), shares(new, 1000)) == "new points"
    assert material_change(shares(MATURE, 1000), shares({**MATURE, "x": 350}, 1000)) is None


@pytest.mark.parametrize(("count", "reason"), [(590, None), (620, "share moved"), (410, None), (390, "share moved")])
def test_a_share_must_move_by_ten_points(count, reason):
    assert material_change(shares(MATURE, 1000), shares({**MATURE, "a": count}, 1000)) == reason


def test_in_a_small_band_chance_moves_a_share_further():
    assert material_change(shares({"a": 5, "b": 2}, 10), shares({"a": 8, "b": 2}, 11)) is None


def test_a_band_below_five_reviews_does_not_count():
    assert material_change(shares({"a": 1}, 1), shares({"x": 2, "y": 2}, 4)) is None
    assert material_change(shares({"a": 1}, 1), shares({"x": 2, "y": 2}, 5)) == "new points"


def test_only_the_first_safety_flag_is_material():
    assert material_change(shares(MATURE, 1000), shares(MATURE, 1000, safety=1)) == "first safety flag"
    assert material_change(shares(MATURE, 1000, safety=1), shares(MATURE, 1000, safety=2)) is None


def test_unrated_reviews_count_like_rated_ones():
    before = reading(unrated=band(9, [point("a", 5, 9), point("b", 4, 9)]))
    after = reading(unrated=band(9, [point("c", 5, 9), point("d", 4, 9)]))
    assert material_change(before, after) == "new points"


def test_points_of_two_bands_may_share_an_id():
    praise, complaint = band(10, [point("a", 10, 10, point_id="0")]), band(10, [point("b", 5, 10, point_id="0")])
    assert material_change(reading(praise, complaint), reading(band(10), complaint)) is None
