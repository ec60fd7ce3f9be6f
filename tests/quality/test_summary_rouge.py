"""Paragraphs of eight reviews against what people wrote of them (FewSum validation sets)."""

from pathlib import Path

import pytest

from models.sentence_table import SentenceTable
from processors.texts.paragraph import compose
from tests.quality.reading import read
from tests.quality.rouge import evaluate_fewsum, lead

pytestmark = pytest.mark.data

FLOORS = {
    "amazon": {"rouge1": 29.0, "rouge2": 5.0, "rougeL": 17.0},
    "yelp": {"rouge1": 28.0, "rouge2": 4.8, "rougeL": 16.5},
}


@pytest.mark.parametrize("name", FLOORS)
def test_paragraphs_beat_the_lead_baseline_and_their_floor(name: str, data_dir: Path, table: SentenceTable) -> None:
    scores = evaluate_fewsum(data_dir, lambda reviews: compose(read(reviews, table), table.encode), [name])
    baseline = evaluate_fewsum(data_dir, lead, [name])
    assert scores["rouge1"] > baseline["rouge1"], (scores, baseline)
    assert all(scores[metric] >= floor for metric, floor in FLOORS[name].items()), scores
