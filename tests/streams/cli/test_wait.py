import click
import pytest

from streams.cli.wait import pick_agents, taking_part
from streams.graph import AGENTS


def test_agents_are_picked_with_what_feeds_them() -> None:
    assert [agent.name for agent in pick_agents("summarize")] == ["digest", "summarize"]
    assert [agent.name for agent in pick_agents("digest")] == ["digest"]
    assert len(pick_agents("")) == len(AGENTS)
    with pytest.raises(click.BadParameter, match="no agent 'sumarize'; there are digest, summarize, index, "):
        pick_agents("digest,sumarize")


class Installation:
    """Where only some agents ever ran."""

    def __init__(self, *there: str) -> None:
        self.there = there

    def takes_part(self, agent: str) -> bool:
        return agent in self.there


def test_who_never_ran_here_is_not_waited_for_unless_nobody_did() -> None:
    everyone = list(AGENTS.values())
    assert [agent.name for agent in taking_part(everyone, Installation("digest", "index"))] == ["digest", "index"]
    assert taking_part(everyone, Installation()) == everyone
