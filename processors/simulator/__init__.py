"""Invented products, buyers and opinions with known truth: seeded, pure, endless.

Read in this order: ``catalogue`` (what is sold), ``phrases`` (how opinions are worded), ``buyers`` (who
writes), ``opinions`` (what is thought of one product), ``composing`` (one text), ``simulator`` (the stream),
``truth`` (what it really said), ``scoring`` (how much of it a reading found).
"""

from processors.simulator.broken import with_broken_lines
from processors.simulator.scenario import Drift, Scenario
from processors.simulator.scoring import PointScore, score_reading
from processors.simulator.simulator import Simulator
from processors.simulator.truth import Mention, Opinion, Truth

__all__ = [
    "Drift",
    "Mention",
    "Opinion",
    "PointScore",
    "Scenario",
    "Simulator",
    "Truth",
    "score_reading",
    "with_broken_lines",
]
