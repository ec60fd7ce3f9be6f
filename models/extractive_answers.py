"""Answer with the sources' own sentences, and with what features say: no model that writes, no cost, no invention."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
import numpy.typing as npt

from models.answer_model import AnswerModel
from models.ports import AnswerRequest, Embedder, Embeddings, WriteFailure, Written
from processors.answers.assessment import Assessment
from processors.answers.candidates import Candidate, candidates
from processors.answers.choosing import choose, told
from processors.answers.confidence import missing_words, unspoken, whole_features
from processors.answers.dividing import divide
from processors.answers.features import sentence_features
from processors.answers.logistic import squeezed
from processors.answers.questions import Question, read_question
from processors.answers.tallies import Tally, tallied, tallies
from schemas.answers import FEATURES_LABEL
from schemas.hits import Passage

REMEMBERED = 64
"""Requests whose reading is kept, so that assessing and answering embed once."""
NOTHING = "nothing was found that says anything"


@dataclass(frozen=True, slots=True)
class _Reading:
    question: Question  # what is left of it for the documents
    sentences: list[Candidate]
    vectors: Embeddings
    probabilities: npt.NDArray[np.float64]
    tallies: list[Tally]
    assessment: Assessment


class ExtractiveAnswerer:
    """An ``Answerer`` that quotes the best sentences, and tells how probable it is that they answer.

    Args:
        embedder: Compares questions and sentences.
        model: Coefficients; the shipped ones unless told otherwise.

    Example:
        >>> class Blind:
        ...     identity, dimensions = "blind", 2
        ...     def embed(self, texts):
        ...         return np.tile(np.array([1, 0], np.float32), (len(texts), 1))
        >>> from schemas.hits import Hit, Passage
        >>> hit = Hit(document_id="d", chunk_id="c", title=None, quote="", score=1.0, parts={})
        >>> request = AnswerRequest("r", "Which port?", (Passage(key="/d", row_id=1, hit=hit, text="The port is 90."),))
        >>> asyncio.run(ExtractiveAnswerer(Blind()).answer([request]))[0].text
        '"The port is 90." [1]'
    """

    engine = "extractive"
    prompt_version = "answers-1"
    parameters = ""
    endpoint = ""

    def __init__(self, embedder: Embedder, model: AnswerModel | None = None) -> None:
        self._embedder = embedder
        self._model = model or AnswerModel.load()
        self._readings: OrderedDict[tuple[object, ...], _Reading] = OrderedDict()
        self._lock = Lock()
        self.model = f"{embedder.identity}/{self._model.version}"

    def assess(self, request: AnswerRequest) -> Assessment:
        """Return how well the passages of a request answer it; blocks while it embeds, safe in any thread."""
        return self._read(request).assessment

    async def answer(
        self, requests: Sequence[AnswerRequest], patience_s: float | None = None
    ) -> Sequence[Written | WriteFailure]:
        """Return one text a request, same order; empty where there is nothing to quote. Works in a thread."""
        return await asyncio.to_thread(lambda: [Written(self._write(self._read(request))) for request in requests])

    def _write(self, reading: _Reading) -> str:
        stated = " ".join(f'"{text}" [{FEATURES_LABEL}]' for text in reading.assessment.stated)
        return " ".join(part for part in (stated, self._quote(reading)) if part)

    def _quote(self, reading: _Reading) -> str:
        if not reading.sentences:
            return ""
        if reading.tallies:
            return tallied(reading.tallies, reading.sentences)
        chosen = choose(reading.question, reading.sentences, reading.probabilities, reading.vectors)
        return told(reading.sentences[place] for place in chosen)

    def _read(self, request: AnswerRequest) -> _Reading:
        stated = request.stated
        said = stated and (stated.statements, stated.words, stated.named)
        key = (request.question, said, *((passage.row_id, passage.text) for passage in request.passages))
        with self._lock:
            reading = self._readings.pop(key, None)
        reading = reading or self._compute(request)
        with self._lock:
            self._readings[key] = reading
            while len(self._readings) > REMEMBERED:
                self._readings.popitem(last=False)
        return reading

    def _compute(self, request: AnswerRequest) -> _Reading:
        question, sentences = read_question(request.question), candidates(request.passages)
        division = divide(question, request.stated, sentences)
        stated = tuple(one.text for one in division.told)
        question, sentences = (question, []) if division.rest is None else (division.rest, sentences)
        if not sentences:
            assessment = Assessment(0.0, NOTHING, stated=stated, asks_passages=division.rest is not None)
            empty = np.zeros((0, self._embedder.dimensions), np.float32)
            return _Reading(question, [], empty, np.zeros(0), [], assessment)
        reading = self._weigh(question, request.passages, sentences)
        return replace(reading, assessment=replace(reading.assessment, stated=stated))

    def _weigh(self, question: Question, passages: Sequence[Passage], sentences: list[Candidate]) -> _Reading:
        """Tell how well the documents answer."""
        vectors = self._embedder.embed([question.text, *(sentence.text for sentence in sentences)])
        features = sentence_features(question, passages, sentences, vectors[0], vectors[1:])
        logits = self._model.sentence.logits(features)
        probabilities = squeezed(logits)
        whole = whole_features(question, sentences, features, logits)
        counted = tallies(question, passages, sentences, probabilities, vectors[1:])
        assessment = Assessment(
            confidence=round(float(self._model.whole.probabilities(whole)[0]), 4),
            reason=unspoken(question, passages),
            missing=tuple(missing_words(question, sentences)),
            facts=tuple(tally.fact for tally in counted),
            scores=dict(zip(((found.passage, found.text) for found in sentences), probabilities.tolist(), strict=True)),
        )
        return _Reading(question, sentences, vectors[1:], probabilities, counted, assessment)
