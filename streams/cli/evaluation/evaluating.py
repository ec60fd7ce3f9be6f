"""Measure configurations of a search on the same questions, and compare each with the first."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from processors.evaluation.bootstrap import paired_interval
from processors.evaluation.metrics import Quality, judge, mean
from streams.cli.errors import CommandError
from streams.cli.evaluation.judgments import Judged

Rank = Callable[[str], Sequence[str]]
"""Answers a question with document ids, best first, each once."""

METRICS = ("precision", "recall", "mrr", "ndcg")
SHOWN_TEXT = 200


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One way to search; what is null is as the standing index has it."""

    name: str
    chunk_characters: int | None = None
    words: float | None = None  # share of each in a document's score; they add up to 1
    vectors: float | None = None
    sentences: float | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How much more than the first configuration: mean over questions, and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one configuration is worth at one k; ``millrace evaluate retrieval --json`` prints one a line."""

    configuration: Configuration
    k: int
    questions: int
    precision: float
    recall: float
    mrr: float
    ndcg: float
    versus_first: dict[str, Difference] | None  # by metric; none of the first itself


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration and how it ranked every question."""

    configuration: Configuration
    rankings: Sequence[Sequence[str]]  # in the order of the questions


def compare(judged: Sequence[Judged], trials: Sequence[Trial], ks: Sequence[int], seed: int) -> list[Measured]:
    """Measure every trial at every k; the first trial is what the others are compared with.

    Args:
        judged: The questions.
        trials: Each with one ranking a question.
        ks: How many documents of a ranking count.
        seed: Of the bootstrap.
    """
    measured = []
    for k in ks:
        first: list[Quality] | None = None
        for trial in trials:
            qualities = _judge(judged, trial, k)
            versus = None if first is None else _differences(qualities, first, seed)
            measured.append(_measured(trial.configuration, k, qualities, versus))
            first = first or qualities
    return measured


def write_per_question(path: Path, judged: Sequence[Judged], trials: Sequence[Trial], k: int) -> None:
    """Write one tab separated row a question and trial, the worst question first (by its mean nDCG over trials).

    Raises:
        CommandError: If the file cannot be written.
    """
    qualities = [_judge(judged, trial, k) for trial in trials]
    order = sorted(range(len(judged)), key=lambda place: (sum(one[place].ndcg for one in qualities), place))
    header = ["query_id", "configuration", *(f"{name}@{k}" for name in METRICS), "text", "relevant", "found"]
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, delimiter="\t", lineterminator="\n")
            rows.writerow(header)
            for place in order:
                for trial, of_trial in zip(trials, qualities, strict=True):
                    rows.writerow(_row(judged[place], trial, of_trial[place], trial.rankings[place][:k]))
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", "Name another --per-question.") from error


def _row(one: Judged, trial: Trial, quality: Quality, found: Sequence[str]) -> list[str]:
    relevant = sorted(name for name, grade in one.grades.items() if grade > 0)
    numbers = [f"{getattr(quality, name):.4f}" for name in METRICS]
    text = " ".join(one.text.split())[:SHOWN_TEXT]
    return [one.query_id, trial.configuration.name, *numbers, text, " ".join(relevant), " ".join(found)]


def _judge(judged: Sequence[Judged], trial: Trial, k: int) -> list[Quality]:
    return [judge(ranking, one.grades, k) for one, ranking in zip(judged, trial.rankings, strict=True)]


def _differences(ours: Sequence[Quality], first: Sequence[Quality], seed: int) -> dict[str, Difference]:
    found = {}
    for name in METRICS:
        interval = paired_interval([getattr(q, name) for q in ours], [getattr(q, name) for q in first], seed=seed)
        found[name] = Difference(
            mean=round(interval.difference, 4), low=round(interval.low, 4), high=round(interval.high, 4)
        )
    return found


def _measured(
    configuration: Configuration, k: int, qualities: Sequence[Quality], versus: dict[str, Difference] | None
) -> Measured:
    average = mean(qualities)
    return Measured(
        configuration=configuration,
        k=k,
        questions=len(qualities),
        precision=round(average.precision, 4),
        recall=round(average.recall, 4),
        mrr=round(average.mrr, 4),
        ndcg=round(average.ndcg, 4),
        versus_first=versus,
    )
