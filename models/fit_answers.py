"""``python -m models.fit_answers --weights FOLDER``: fit the answer model again, on invented questions only."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from models.answer_model import SHIPPED, AnswerModel
from models.answering.exercises import Exercise
from models.answering.pages import page_exercises
from models.answering.reviews import review_exercises
from models.minilm.minilm import MiniLM
from models.ports import Embedder
from processors.answers.candidates import Candidate, candidates
from processors.answers.confidence import WHOLE_NAMES, whole_features
from processors.answers.features import SENTENCE_NAMES, sentence_features
from processors.answers.logistic import Logistic, fit
from processors.answers.questions import Question, read_question

Floats = npt.NDArray[np.float64]

PAGES = 400
REVIEWS = 700
SENTENCE_RIDGE = 30.0
WHOLE_RIDGE = 10.0
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """One exercise as numbers."""

    question: Question
    sentences: list[Candidate]
    features: Floats  # (N, F)
    labels: Floats  # (N,): 1 answers, 0 does not, NaN open
    answerable: bool


def fit_answers(embedder: Embedder, pages: int = PAGES, reviews: int = REVIEWS) -> AnswerModel:
    """Fit both models.

    Args:
        embedder: Whose vectors the features compare.
        pages: Invented questions about documentation.
        reviews: Invented questions about reviews.
    """
    exercises = [*page_exercises(pages, seed=1), *review_exercises(reviews, seed=2)]
    rows = [row for row in (_row(embedder, exercise) for exercise in exercises) if row is not None]
    sentence = _fit_sentences(rows)
    whole = fit(
        np.vstack([_held_out(rows, fold) for fold in range(FOLDS)]),
        np.array([row.answerable for fold in range(FOLDS) for row in rows[fold::FOLDS]], np.float64),
        WHOLE_NAMES,
        WHOLE_RIDGE,
    )
    return AnswerModel(sentence=sentence, whole=whole, provenance=_provenance(embedder, rows))


def _row(embedder: Embedder, exercise: Exercise) -> Row | None:
    question, sentences = read_question(exercise.question), candidates(exercise.passages)
    if not sentences:
        return None
    vectors = embedder.embed([question.text, *(sentence.text for sentence in sentences)])
    described = sentence_features(question, exercise.passages, sentences, vectors[0], vectors[1:])
    labels = np.array([exercise.label(sentence.text) for sentence in sentences], np.float64)  # None becomes NaN
    return Row(question, sentences, described, labels, exercise.answerable)


def _fit_sentences(rows: Sequence[Row]) -> Logistic:
    """Fit on answerable exercises too: which sentence answers, and that none does where none does."""
    described, labels = np.vstack([row.features for row in rows]), np.concatenate([row.labels for row in rows])
    known = ~np.isnan(labels)
    return fit(described[known], labels[known], SENTENCE_NAMES, SENTENCE_RIDGE)


def _held_out(rows: Sequence[Row], fold: int) -> Floats:
    """Describe the exercises of a fold by a sentence model that has not seen them."""
    model = _fit_sentences([row for number, row in enumerate(rows) if number % FOLDS != fold])
    return np.vstack(
        [
            whole_features(row.question, row.sentences, row.features, model.logits(row.features))
            for row in rows[fold::FOLDS]
        ]
    )


def _provenance(embedder: Embedder, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "made_by": "python -m models.fit_answers",
        "fitted_on": "questions, pages and reviews invented by models/answering and processors/simulator",
        "exercises": len(rows),
        "answerable": sum(row.answerable for row in rows),
        "sentences": sum(len(row.sentences) for row in rows),
        "answering_sentences": int(sum(np.nansum(row.labels) for row in rows)),
        "embedder": embedder.identity,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and write; return 1 when the shipped model is another one."""
    parser = argparse.ArgumentParser(prog="models.fit_answers", description="Fit the answer model.")
    parser.add_argument("--weights", type=Path, required=True, help="folder for the built MiniLM graph")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="where to write the model")
    options = parser.parse_args(arguments)
    shipped = AnswerModel.load() if SHIPPED.exists() else None
    model = fit_answers(MiniLM.load(options.weights, "fp32"))
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=2) + b"\n")
    sys.stdout.write(f"wrote {options.out}: {model.version}\n")
    return 0 if shipped is None or shipped == model else 1


if __name__ == "__main__":
    sys.exit(main())
