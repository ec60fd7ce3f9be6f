"""``millrace worker``: run agents, each in a process of its own, under one supervisor."""

import asyncio
import os

import click

from streams.cli.context import check_supported, load_settings
from streams.graph import AGENTS
from streams.places import wanted_agents


@click.command(
    epilog="Example: millrace worker digest summarize",
)
@click.argument("agents", nargs=-1, metavar="AGENT...", type=click.Choice(list(AGENTS)))
@click.option("--workers", default=1, show_default=True, type=click.IntRange(min=1), help="Processes an agent.")
@click.option("--parent", type=int, hidden=True, help="Be the one worker of one agent, of this process's.")
@click.option("--slot", default=0, hidden=True, help="Which of the agent's workers to be.")
def command(agents: tuple[str, ...], workers: int, parent: int | None, slot: int) -> None:
    """Run agents until Ctrl-C or SIGTERM (all of which there is something to do when none is named)."""
    settings = load_settings()
    check_supported(settings)
    if parent is not None:
        from streams.crashing import crash_points
        from streams.worker import Worker

        async def be() -> int:
            return await Worker(agents[0], slot, settings, crash_points(os.environ), parent).run()

        raise SystemExit(asyncio.run(be()))
    from streams.supervisor import Supervisor

    async def supervise() -> None:
        await Supervisor(agents or wanted_agents(settings), workers, settings, os.environ).run()

    asyncio.run(supervise())
