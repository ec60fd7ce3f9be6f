import numpy as np
import pytest

from processors.digest.clusters import Clusters
from processors.digest.head import Head
from processors.language.claims import Claim
from processors.points.grouping import Group, group_clusters
from processors.points.labels import label_of
from processors.points.salience import Salience
from processors.points.wording import Wording

FIRST = [127.0, 0.0, 0.0]  # the bands here are so young that thresholds are raised by .13
APART = [67.0, 108.0, 0.0]  # .53 of the first: too far to join it, near enough to group by a shared word
FAR = [0.0, 0.0, 127.0]


def claim(*content: str, polarity: float = -1.0) -> Claim:
    return Claim(" ".join(content), content, polarity, 1, content)


def grouped(reviews: list[list[tuple[Claim, list[float]]]]) -> list[Group]:
    band = Clusters()
    for number, said in enumerate(reviews):
        points = np.array([point for _, point in said], np.float32)
        band.fold(f"r{number}", number, -1, [one for one, _ in said], points)
    return group_clusters(band, Wording(band.clusters, Salience(Head())))


def test_a_review_in_two_clusters_of_a_group_counts_once() -> None:
    both = [(claim("hem", "thread"), FIRST), (claim("thread", "knot"), APART)]
    (group,) = grouped([both, both, both[:1]])
    assert (group.claim_count, group.review_count) == (5, 3)


def test_clusters_without_a_shared_word_stay_apart() -> None:
    assert len(grouped([[(claim("hem"), FIRST), (claim("knot"), APART)]])) == 2


def test_clusters_of_one_concept_are_grouped_whatever_their_words() -> None:
    assert len(grouped([[(claim("shipping"), FIRST), (claim("courier"), APART)]])) == 1
    assert len(grouped([[(claim("shipping"), FIRST), (claim("courier"), FAR)]])) == 2


def test_opposite_clusters_are_never_grouped() -> None:
    said = [(claim("thread"), FIRST), (claim("thread", polarity=1.0), APART)]
    assert len(grouped([said])) == 2


def test_a_cluster_without_a_side_gathers_only_one_side() -> None:
    left, right = [67.0, 108.0, 0.0], [67.0, -108.0, 0.0]
    neutral = [(claim("thread", polarity=0.0), FIRST)]
    groups = grouped([neutral, neutral, [(claim("thread"), left)], [(claim("thread", polarity=1.0), right)]])
    assert sorted(len(group.rows) for group in groups) == [1, 2]


def test_words_that_every_review_uses_or_points_at_are_not_salient() -> None:
    head = Head(review_count=100, terms={"dress": 70, "blouse": 12, "hem": 8}, pointed={"blouse": 8})
    salience = Salience(head)
    assert salience["dress"] == salience["blouse"] == pytest.approx(0.05)
    assert salience["hem"] > 0.8


def test_a_name_prefers_the_aspect_to_its_description() -> None:
    wording = Wording([], Salience(Head()))
    assert wording.ranked(np.zeros(0, np.float32), 3) == []
    (group,) = grouped([[(claim("soft", "fabric"), FIRST)]])
    band = Clusters()
    band.fold("r", 99, 1, [claim("soft", "fabric")], np.array([FIRST], np.float32))
    assert Wording(band.clusters, Salience(Head())).ranked(group.words, 2) == ["fabric", "soft"]


def test_a_label_is_taken_once_and_never_longer_than_two_words() -> None:
    taken: set[str] = set()
    for _ in range(5):
        label = label_of(["not-working", "screen"], [["screen", "died"], ["screen", "died"]], taken)
        assert label not in taken
        assert len(label.split()) <= 2
        taken.add(label)
    assert "not working" in taken
