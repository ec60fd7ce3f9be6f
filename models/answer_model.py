"""The coefficients behind extractive answers, as they ship."""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from processors.answers.confidence import WHOLE_NAMES
from processors.answers.features import SENTENCE_NAMES
from processors.answers.logistic import Logistic

SHIPPED = Path(__file__).parent / "data" / "answer_model.json"


class WrongAnswerModel(ValueError):
    """A file of coefficients that this version cannot use."""


class AnswerModel(msgspec.Struct, frozen=True, kw_only=True):
    """Two small models of probability.

    Args:
        sentence: That a sentence answers a question.
        whole: That a question's passages answer it.
        provenance: How they were made.

    Example:
        >>> AnswerModel.load().sentence.names[0]
        'cosine'
    """

    sentence: Logistic
    whole: Logistic
    provenance: dict[str, Any]

    @classmethod
    def load(cls, path: Path = SHIPPED) -> "AnswerModel":
        """Read coefficients, the shipped ones unless told otherwise.

        Raises:
            OSError: If the file cannot be read.
            WrongAnswerModel: If it is none, or one for other features.
        """
        try:
            model = msgspec.json.decode(path.read_bytes(), type=cls)
        except msgspec.ValidationError as error:
            raise WrongAnswerModel(f"{path.name}: {error}") from error
        if (model.sentence.names, model.whole.names) != (SENTENCE_NAMES, WHOLE_NAMES):
            raise WrongAnswerModel(f"{path.name} is for other features: python -m models.fit_answers")
        return model

    @property
    def version(self) -> str:
        """Name of the coefficients: 12 hex digits."""
        return hashlib.sha256(msgspec.json.encode([self.sentence, self.whole])).hexdigest()[:12]
