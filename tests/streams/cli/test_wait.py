import click
import pytest

from streams.cli.wait import pick_agents


def test_agents_are_picked_with_what_feeds_them() -> None:
    assert [agent.name for agent in pick_agents("summarize")] == ["digest", "summarize"]
    assert [agent.name for agent in pick_agents("digest")] == ["digest"]
    assert len(pick_agents("")) == 2
    with pytest.raises(click.BadParameter, match="no agent 'sumarize'; there are digest, summarize"):
        pick_agents("digest,sumarize")
