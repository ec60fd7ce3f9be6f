"""The topology: every agent with its inputs and outputs. No Faust here: commands ask it too."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One verb of the graph."""

    name: str
    inputs: tuple[str, ...]  # logical topics it reads
    outputs: tuple[str, ...]  # logical topics it writes, dead-letters aside


AGENTS: dict[str, AgentSpec] = {
    spec.name: spec
    for spec in (
        AgentSpec("digest", ("reviews",), ("points",)),
        AgentSpec("summarize", ("points",), ("summaries",)),
    )
}
"""In the order of the stream: what an agent reads, one before it writes."""

SUPERSEDING = ("points", "summaries")
"""Topics whose newest record of a key says everything."""
