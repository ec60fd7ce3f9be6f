"""Build one agent's parts from settings: what it knows, what it works on, what it needs loaded."""

from streams.graph import AGENTS
from streams.parts import Context, Parts


def assemble(agent: str, context: Context) -> Parts:
    """Build an agent's handler and the services beside it; what only others need is not imported.

    Raises:
        KeyError: If there is no such agent.
        infra.errors.InfraError: If what it needs is missing, or not what its state was made with.
    """
    if agent == "digest":
        from streams.assemblies import digest

        return digest.build(context)
    if agent == "summarize":
        from streams.assemblies import summarize

        return summarize.build(context)
    if agent == "index":
        from streams.assemblies import index

        return index.build(context)
    if agent == "featurize":
        from streams.assemblies import featurize

        return featurize.build(context)
    if agent == "answer":
        from streams.assemblies import answer

        return answer.build(context)
    raise KeyError(f"{agent} is none of {', '.join(AGENTS)}")
