"""The topology: every agent with its inputs and outputs. No Faust here: commands ask it too."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One verb of the graph."""

    name: str
    inputs: tuple[str, ...]  # logical topics it reads
    outputs: tuple[str, ...]  # logical topics it writes, dead-letters aside
    pending: Mapping[str, str] = field(default_factory=dict)  # kind of timer or work -> what its events are doing


AGENTS: dict[str, AgentSpec] = {
    spec.name: spec
    for spec in (
        AgentSpec(
            "digest",
            ("reviews",),
            ("points",),
            {"reading": "waiting for a quiet moment", "rebuild": "being rebuilt"},
        ),
        AgentSpec("summarize", ("points",), ("summaries",), {"summary": "waiting for its text"}),
        AgentSpec("index", ("documents", "reviews"), ("indexed",), {"index": "being embedded"}),
        AgentSpec("featurize", ("events", "reviews"), ("features",)),
        AgentSpec("answer", ("requests", "indexed"), ("answers",), {"answer": "being answered"}),
    )
}
"""In the order of the stream: what an agent reads, one before it writes."""

SUPERSEDING = ("points", "summaries", "features", "answers")
"""Topics whose newest record of a key says everything; documents of two tenants may share a key of `indexed`."""
