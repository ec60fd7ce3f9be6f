"""How good the quoted sentence is and how true the confidence: SubjQA dev, questions over one review each.

Python:
    python -m tests.bench.answers --data DIR --weights FOLDER
"""

import argparse
import ast
import csv
import gzip
import random
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.extractive_answers import ExtractiveAnswerer
from models.minilm.minilm import MiniLM
from models.ports import AnswerRequest, Embedder
from processors.answers.candidates import candidates
from processors.answers.questions import read_question
from processors.answers.subject import rarity, share
from processors.answers.visible import visible
from processors.answers.words import words_of
from schemas.hits import Hit, Passage

FOLDER = "reviewqa_subjqa"
NO_ANSWER = "ANSWERNOTFOUND"
COVERAGES = (1.0, 0.75, 0.5, 0.25)
BINS = 10
Figures = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Case:
    """One question over one review, and what people marked as its answer."""

    request: AnswerRequest
    spans: tuple[str, ...]  # none: nobody found one
    asked: int  # annotators

    @property
    def answerable(self) -> bool:
        """Whether somebody marked an answer."""
        return bool(self.spans)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was quoted first for one case."""

    answerable: bool
    hit: bool
    f1: float
    confidence: float


def read_cases(data: Path, split: str = "dev") -> list[Case]:
    """Return the questions of one split, annotators put together, in the files' order.

    Raises:
        OSError: If the files cannot be read.
    """
    marked: dict[tuple[str, str, str], list[str]] = {}
    for path in sorted((data / FOLDER).glob(f"*_{split}.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                text = row["review"].removesuffix(NO_ANSWER).rstrip()
                first, last = ast.literal_eval(row["human_ans_indices"])
                span = "" if row["human_ans_spans"] == NO_ANSWER else visible(row["review"][first:last])
                marked.setdefault((row["question"], row["review_id"], text), []).append(span)
    return [
        Case(_request(number, *key), tuple(span for span in spans if span), len(spans))
        for number, (key, spans) in enumerate(marked.items())
    ]


def _request(number: int, question: str, review_id: str, text: str) -> AnswerRequest:
    hit = Hit(document_id=review_id, chunk_id=review_id, title=None, quote="", score=1.0, parts={}, kind="review")
    return AnswerRequest(str(number), question, (Passage(key=review_id, row_id=number, hit=hit, text=text),))


def measure(data: Path, embedder: Embedder, split: str = "dev", limit: int | None = None) -> Figures:
    """Return hit@1, F1, AUC, calibration error and the abstention curve, against random and shared words."""
    cases = read_cases(data, split)[:limit]
    answerer = ExtractiveAnswerer(embedder)
    outcomes = [_outcome(case, *_extractive(answerer, case)) for case in cases]
    answerable = [outcome for outcome in outcomes if outcome.answerable]
    figures: Figures = {
        "cases": len(cases),
        "answerable_share": _mean(outcome.answerable for outcome in outcomes),
        "hit_at_1": _mean(outcome.hit for outcome in answerable),
        "f1": _mean(outcome.f1 for outcome in answerable),
        "auc": auc([outcome.confidence for outcome in outcomes], [outcome.answerable for outcome in outcomes]),
        "ece": calibration_error(outcomes),
        "mean_confidence": _mean(outcome.confidence for outcome in outcomes),
    }
    for name, pick in (("words", _by_words), ("random", _by_chance)):
        other = [_outcome(case, pick(case), 0.0) for case in cases if case.answerable]
        figures |= {f"{name}_hit_at_1": _mean(o.hit for o in other), f"{name}_f1": _mean(o.f1 for o in other)}
    return figures | abstention(outcomes)


def abstention(outcomes: Sequence[Outcome]) -> Figures:
    """Return the share of right answers among the most confident, by how many are answered."""
    ranked = sorted(outcomes, key=lambda outcome: -outcome.confidence)
    answered = {coverage: ranked[: round(coverage * len(ranked))] for coverage in COVERAGES}
    return {f"right_at_{coverage:.0%}": _mean(o.hit for o in kept) for coverage, kept in answered.items()}


def auc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the probability that a right case has a higher score than a wrong one."""
    order = np.argsort(scores, kind="stable")
    values, ranks = np.array(scores)[order], np.empty(len(scores))
    for value in np.unique(values):
        same = np.flatnonzero(values == value)
        ranks[order[same]] = same.mean() + 1
    right = np.array(labels, bool)
    positive = int(right.sum())
    rank_sum = float(ranks[right].sum()) - positive * (positive + 1) / 2
    return round(rank_sum / (positive * (len(right) - positive)), 3)


def calibration_error(outcomes: Sequence[Outcome]) -> float:
    """Return the mean distance of told and true probability over ten bins of equal width, by their sizes."""
    bins: dict[int, list[Outcome]] = {}
    for outcome in outcomes:
        bins.setdefault(min(int(outcome.confidence * BINS), BINS - 1), []).append(outcome)
    gaps = [abs(sum(o.confidence - o.answerable for o in found)) for found in bins.values()]
    return round(sum(gaps) / len(outcomes), 3)


def _extractive(answerer: ExtractiveAnswerer, case: Case) -> tuple[str, float]:
    assessment = answerer.assess(case.request)
    scores = assessment.scores
    return max(scores, key=lambda place: scores[place])[1] if scores else "", assessment.confidence


def _by_words(case: Case) -> str:
    question, found = read_question(case.request.question), candidates(case.request.passages)
    rare = rarity(question, found)
    return max(found, key=lambda sentence: share(rare, sentence.stems)).text if found else ""


def _by_chance(case: Case) -> str:
    found = candidates(case.request.passages)
    return random.Random(case.request.request_id).choice(found).text if found else ""


def _outcome(case: Case, sentence: str, confidence: float) -> Outcome:
    hit = any(_overlap(sentence, span, case.request.passages[0].text) for span in case.spans)
    f1 = max((token_f1(sentence, span) for span in case.spans), default=0.0)
    return Outcome(case.answerable, hit, f1, confidence)


def _overlap(sentence: str, span: str, text: str) -> bool:
    """Tell whether a sentence and a marked span share at least half of the shorter one."""
    whole = visible(text)
    start, other = whole.find(sentence), whole.find(span)
    if not sentence or start < 0 or other < 0:
        return False
    shared = min(start + len(sentence), other + len(span)) - max(start, other)
    return shared >= min(len(sentence), len(span)) / 2


def token_f1(said: str, meant: str) -> float:
    """Return the F1 of the words of two texts."""
    left, right = words_of(said), words_of(meant)
    shared = sum(min(left.count(word), right.count(word)) for word in set(left))
    return 2 * shared / (len(left) + len(right)) if shared else 0.0


def _mean(values: Iterable[float]) -> float:
    listed = list(map(float, values))
    return round(statistics.fmean(listed), 3) if listed else 0.0


def table(figures: Figures, tell: Callable[[str], object]) -> None:
    """Print figures, one a line."""
    for name, value in figures.items():
        tell(f"{name:20} {value:>8}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests.bench.answers", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help=f"folder with {FOLDER}/")
    parser.add_argument("--weights", type=Path, required=True, help="folder for the built MiniLM graph")
    options = parser.parse_args(arguments)
    table(measure(options.data, MiniLM.load(options.weights, "fp32")), sys.stdout.write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
