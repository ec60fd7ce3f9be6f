"""``millrace demo``: invented reviews become summaries before your eyes, then everything is gone again."""

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import click
import msgspec
from rich.console import Console, Group
from rich.live import Live

from infra.kafka.admin import Broker
from processors.simulator import Simulator
from streams.cli.context import check_supported, load_settings
from streams.cli.demonstration.demo_feed import Coverage, Feed, follow_summaries
from streams.cli.demonstration.demo_report import Outcome, closing_lines, find_recall
from streams.cli.demonstration.demo_stack import DEMO_AGENTS, DemoStack, demo_stack
from streams.cli.demonstration.live_view import Snapshot, plain_line, screen_lines
from streams.cli.errors import CommandError
from streams.cli.health import Part, collect
from streams.cli.interrupts import interruptible
from streams.cli.letters.kept_letters import read_letters
from streams.cli.render import make_console, print_lines, printable
from streams.cli.waits.receipts import produced
from streams.cli.waits.standing import Gap, NotStanding, Wait
from streams.cli.waits.surroundings import LocalSurroundings
from streams.graph import AGENTS

RATE = 200
"""Reviews a second."""

LOOK_S = 0.5
LINE_S = 3.0
READY_S = 60.0
DRAIN_S = 60.0

Show = Callable[[Snapshot], None]


@click.command("demo")
@click.option(
    "--seconds", default=20, show_default=True, type=click.IntRange(1, 3600), help="How long reviews are sent."
)
@click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(min=0), help="Equal seeds send equal reviews."
)
@click.option("--rate", default=RATE, show_default=True, type=click.IntRange(min=1), help="Reviews a second.")
def command(seconds: int, seed: int, rate: int) -> None:
    """Watch invented reviews become summaries on a real Kafka, then clean up.

    It lives in a folder of its own, uses the broker you name in MILLRACE_KAFKA or starts one, and
    leaves nothing running, also after Ctrl-C.

    \b
    Example:
      millrace demo
      millrace demo --seconds 60 --seed 3
    """
    settings = load_settings()
    check_supported(settings)
    console = make_console()
    with interruptible(), demo_stack(settings, os.environ) as stack:
        simulator = Simulator(seed)
        demo = Demo(stack, simulator, rate, rate * seconds)
        with shown(console) as show:
            outcome = demo.run(show)
        print_lines(console, closing_lines(outcome, time.time(), console.width))
        console.print()
    console.print("Nothing runs any more. With your own reviews, one after the other:")
    called = "millrace" if shutil.which("millrace") else ".venv/bin/millrace"
    hint = f"  {called} up --detach; {called} produce reviews FILE; {called} summaries"
    console.print(hint, soft_wrap=True)  # to be copied: a line break in it would be typed, too


@dataclass(slots=True)
class Demo:
    """One play, from an empty home to a closing report.

    Args:
        stack: Prepared, nothing started.
        simulator: Makes the reviews.
        rate: Reviews a second.
        count: Reviews in all.
    """

    stack: DemoStack
    simulator: Simulator
    rate: int
    count: int
    coverage: Coverage = field(default_factory=Coverage)
    _stage: str = "starting"
    _starting: bool = True
    _sent: tuple[float, int] = (0.0, 0)
    _rate: float = 0.0

    def run(self, show: Show) -> Outcome:
        """Play it.

        Raises:
            InfraError: If a part fails.
            CommandError: If the results do not stand in time.
        """
        stop = threading.Event()
        kafka = self.stack.settings.kafka
        with ThreadPoolExecutor(3) as threads:
            try:
                with Broker(kafka) as broker:
                    self._start(threads, broker, show)
                    follower = threads.submit(follow_summaries, kafka, kafka.partitions, self.coverage, stop)
                    sending_s = self._send(threads, broker, show, stop)
                    self._drain(broker, show)
                    last = self._settle(broker, follower)
            finally:
                stop.set()
        reasons = Counter(one.letter.reason for one in read_letters(self.stack.settings))
        return Outcome(last, sending_s, reasons, find_recall(self.simulator, last.latest))

    def _start(self, threads: ThreadPoolExecutor, broker: Broker, show: Show) -> None:
        self._stage = "starting Kafka"
        self._until(threads.submit(self.stack.start_broker), broker, show)
        self._stage = "starting workers"
        self.stack.start_workers()
        deadline = time.monotonic() + READY_S
        while missing := [part for part in self._look(broker, show).parts if part.state != "ok"]:
            if time.monotonic() > deadline or any((part.restarts or 0) > 1 for part in missing):
                names = ", ".join(part.part for part in missing)
                what = f"{names} did not start ({printable(self.stack.last_error())})"
                raise CommandError(what, f"The log is {self.stack.workers.log_file}.")
            time.sleep(LOOK_S)
        self._starting = False

    def _send(self, threads: ThreadPoolExecutor, broker: Broker, show: Show, stop: threading.Event) -> float:
        self._stage = f"sending {self.rate:,} reviews a second"
        started = time.monotonic()
        feed = Feed(self.stack.settings.kafka, self.simulator, self.rate, self.count, self.coverage)
        self._until(threads.submit(feed.run, stop), broker, show)
        return time.monotonic() - started

    def _drain(self, broker: Broker, show: Show) -> None:
        self._stage = "finishing what was sent"
        around = LocalSurroundings(self.stack.settings, broker)
        agents = [AGENTS[name] for name in DEMO_AGENTS]
        looked = 0.0

        def progress(_gaps: Sequence[Gap]) -> None:
            nonlocal looked
            if time.monotonic() - looked >= LOOK_S:
                looked = time.monotonic()
                self._look(broker, show)

        try:
            Wait(agents, around, time.monotonic() + DRAIN_S, progress).run(produced(agents, around))
        except NotStanding as late:
            missing = sum(gap.missing for gap in late.gaps)
            what = f"after {DRAIN_S:.0f} s {late.gaps[0].agent} still lacks {missing:,} events"
            raise CommandError(what, f"The log is {self.stack.workers.log_file}.") from late

    def _settle(self, broker: Broker, follower: "Future[None]") -> Snapshot:
        """Read the summaries that were published last, too."""
        self._stage = "done"
        deadline = time.monotonic() + 5.0
        while self.coverage.covered < self.coverage.sent and time.monotonic() < deadline and not follower.done():
            time.sleep(0.05)
        if follower.done():
            follower.result()
        time.sleep(LOOK_S)  # one more heartbeat, for the last counts
        return self._snapshot(broker)

    def _until(self, done: "Future[None]", broker: Broker, show: Show) -> None:
        while not done.done():
            self._look(broker, show)
            time.sleep(LOOK_S)
        done.result()

    def _look(self, broker: Broker, show: Show) -> Snapshot:
        now = self._snapshot(broker)
        show(now)
        return now

    def _snapshot(self, broker: Broker) -> Snapshot:
        at, coverage = time.time(), self.coverage
        before, sent = self._sent
        if at - before >= 1.0:
            self._rate = (coverage.sent - sent) / (at - before) if before else 0.0
            self._sent = (at, coverage.sent)
        parts = collect(self.stack.settings, broker, at)
        if self._starting:
            parts = [calm(part) for part in parts]
        return Snapshot(
            stage=self._stage,
            sent=coverage.sent,
            broken=coverage.broken,
            rate=self._rate,
            covered=coverage.covered,
            summaries=coverage.summaries,
            freshness_p50_s=coverage.freshness_s(0.5),
            freshness_p99_s=coverage.freshness_s(0.99),
            writer_calls=sum(part.writer_calls or 0 for part in parts),
            dead_letters=sum(part.dead_letters or 0 for part in parts),
            parts=parts,
            latest=dict(coverage.latest),
            names=self.simulator.products,
        )


def calm(part: Part) -> Part:
    """Take what is not there yet for starting: nobody is to be alarmed by it."""
    return part if part.state == "ok" else msgspec.structs.replace(part, state="starting", last_error=None)


@contextmanager
def shown(console: Console) -> Iterator[Show]:
    """Show moments on a screen that goes away, or as a line now and then."""
    if console.is_terminal:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield lambda now: live.update(
                Group(*screen_lines(now, time.time(), console.width, console.height)), refresh=True
            )
        return
    started = time.monotonic()
    told = 0.0

    def tell(now: Snapshot) -> None:
        nonlocal told
        if time.monotonic() - told >= LINE_S:
            told = time.monotonic()
            console.print(plain_line(now, told - started), soft_wrap=True)

    yield tell
