"""A small model of a probability: a weighted sum of named features, squeezed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Logistic:
    """Coefficients of a logistic regression.

    Args:
        names: The F features, in order.
        weights: One a feature.
        bias: Added.

    Example:
        >>> model = Logistic(("cosine",), (4.0,), -2.0)
        >>> model.probabilities(np.array([[0.5], [1.0]])).round(2).tolist()
        [0.5, 0.88]
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    bias: float

    def logits(self, features: Floats) -> Floats:
        """Return log odds ``(N,)`` float64 for features ``(N, F)`` float64.

        Raises:
            ValueError: If F is another.
        """
        if features.shape[1] != len(self.weights):
            raise ValueError(f"{features.shape[1]} features for {len(self.weights)} weights")
        logits: Floats = features @ np.array(self.weights) + self.bias
        return logits

    def probabilities(self, features: Floats) -> Floats:
        """Return probabilities ``(N,)`` float64 for features ``(N, F)`` float64; never quite 0 or 1."""
        return squeezed(self.logits(features))


def squeezed(logits: Floats) -> Floats:
    """Return the probabilities of log odds; beyond 30 they do not change any more."""
    probabilities: Floats = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    return probabilities


def fit(features: Floats, labels: Floats, names: Sequence[str], ridge: float, places: int = 3) -> Logistic:
    """Fit by Newton's method, in float64.

    Args:
        features: ``(N, F)``.
        labels: ``(N,)``, 0 or 1.
        names: The F features.
        ridge: Weight of the penalty on squared coefficients of standardised features.
        places: Decimals that are kept.

    Returns:
        Coefficients of the features as they come, not standardised.
    """
    mean, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    design = np.hstack([(features - mean) / scale, np.ones((len(features), 1))])
    penalty = np.diag([ridge] * len(names) + [0.0])
    solution = np.zeros(design.shape[1])
    for _ in range(30):
        probabilities = squeezed(design @ solution)
        gradient = design.T @ (labels - probabilities) - penalty @ solution
        curvature = (design * (probabilities * (1 - probabilities))[:, None]).T @ design + penalty
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(curvature)), gradient)
        solution += step
        if np.abs(step).max() < 1e-10:
            break
    weights = solution[:-1] / scale
    bias = solution[-1] - float(weights @ mean)
    return Logistic(tuple(names), tuple(round(float(weight), places) for weight in weights), round(float(bias), places))
