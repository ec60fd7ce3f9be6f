"""Send the events of dead letters again, to where they came from."""

import asyncio
import base64
import binascii
import contextlib
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from infra.errors import TopicMissing
from infra.kafka.admin import Broker
from infra.kafka.producer import BulkProducer, Headers, Receipt, partition_of
from infra.settings import KafkaSettings, Settings
from schemas.dead_letters import DeadLetter
from streams.cli.letters.kept_letters import Choice, Kept, Ranges, read_kept, resolve

REPLAY_OF = "millrace_replay_of"
"""Header of a replayed event: the id of its dead letter."""

READ_BYTES = 8 << 20
"""Letters held in memory at a time, about."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The newest letter of an event, without its payload, and what keeps it from being replayed."""

    letter: DeadLetter
    place: tuple[int, int]  # partition and offset on the dead-letters topic
    obstacle: str | None
    replay_of: str | None  # an earlier letter, whose replay failed as this one


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send, in the order of the events.

    Args:
        candidates: All that were chosen.
        partitions: How many each of their topics has.
    """

    candidates: Sequence[Candidate]
    partitions: Mapping[str, int]

    @property
    def sendable(self) -> list[Candidate]:
        """Those that can be replayed."""
        return [one for one in self.candidates if one.obstacle is None]

    @property
    def left_out(self) -> list[Candidate]:
        """Those that cannot."""
        return [one for one in self.candidates if one.obstacle is not None]

    def after(self, receipts: Collection[str]) -> "Plan":
        """Say of those without a receipt, after everything was sent, why they have none."""
        gone = "its letter was deleted by the broker before it was sent"
        told = [
            one if one.obstacle is not None or one.letter.dead_letter_id in receipts else replace(one, obstacle=gone)
            for one in self.candidates
        ]
        return Plan(told, self.partitions)

    def target(self, letter: DeadLetter) -> int:
        """Choose the partition: the event's own, or by its key where the topic has fewer now."""
        source, partitions = letter.source, self.partitions[letter.source.topic]
        if source.partition < partitions:
            return source.partition
        return partition_of(_bytes(letter.key_base64) or b"", partitions)


def make_plan(settings: Settings, ranges: Ranges, choice: Choice, limit: int | None) -> Plan:
    """Choose letters and look at what keeps each from being replayed.

    Args:
        settings: Where the broker is.
        ranges: What to read of the dead-letters topic.
        choice: Which are meant.
        limit: The first so many, by topic, partition and offset of their events.

    Raises:
        CommandError: If an id is unknown, or begins several.
        BrokerUnreachable: If nothing answers.
    """
    newest = newest_of_each(read_kept(settings, ranges))
    chosen = choose(newest, choice)[:limit]
    with Broker(settings.kafka) as broker:
        partitions = _partitions(broker, {one.letter.source.topic for one in chosen})
    return Plan([_with_topic(one, partitions) for one in chosen], partitions)


def newest_of_each(kept: Iterable[Kept]) -> dict[str, Candidate]:
    """Keep the newest letter of each event; a letter is written again when its event failed again."""
    found: dict[str, Candidate] = {}
    for one in kept:
        before = found.get(one.letter.dead_letter_id)
        if before is None or one.letter.failed_at >= before.letter.failed_at:
            bare = msgspec.structs.replace(one.letter, payload_base64=None, headers=[])
            found[one.letter.dead_letter_id] = Candidate(bare, one.place, obstacle(one.letter), _replay_of(one.letter))
    return found


def choose(newest: Mapping[str, Candidate], choice: Choice) -> list[Candidate]:
    """Pick those that are meant, in the order of their events.

    Who names no ids means each event once: not the letters whose replay has failed and has a letter of its own.
    Otherwise every replay would double what cannot be mended.

    Raises:
        CommandError: If an id is unknown, or begins several.
    """
    failed_again = set() if choice.ids else {one.replay_of for one in newest.values()}
    fitting = {name: one for name, one in newest.items() if choice.matches(one.letter) and name not in failed_again}
    if choice.ids:
        letters = [one.letter for one in fitting.values()]
        wanted = set().union(*(resolve(name, letters) for name in choice.ids))
        fitting = {name: one for name, one in fitting.items() if name in wanted}
    return sorted(fitting.values(), key=lambda one: (one.letter.source.topic, *_offset(one.letter)))


def obstacle(letter: DeadLetter) -> str | None:
    """Say what keeps a letter from being replayed, if anything does."""
    if letter.reason == "records_lost":
        return "the broker deleted these events before they were read: send them again from where they came"
    if letter.reason == "output_too_large":
        return "it is an output of ours, not an event: raise its topic's max.message.bytes"
    if letter.payload_base64 is None:
        return None if letter.payload_sha256 is None else "it was itself too large to keep its payload"
    try:
        payload = base64.b64decode(letter.payload_base64, validate=True)
    except binascii.Error:
        return "its payload is no base64"
    if len(payload) < letter.payload_bytes:
        return f"only the first {len(payload):,} of its {letter.payload_bytes:,} bytes are kept"
    if letter.payload_sha256 not in (None, hashlib.sha256(payload).hexdigest()):
        return "its payload does not fit its hash"
    return None


def event_headers(letter: DeadLetter) -> Headers:
    """Make the headers of the replayed event: its own, and which letter it comes from."""
    own = [(header.key, _bytes(header.value_base64)) for header in letter.headers if header.key != REPLAY_OF]
    return [*own, (REPLAY_OF, letter.dead_letter_id.encode())]


async def send(settings: Settings, ranges: Ranges, plan: Plan, receipts: dict[str, Receipt]) -> None:
    """Read the chosen letters once more, this time whole, and send their events.

    Args:
        settings: Where the broker is.
        ranges: What was read for the plan.
        plan: What to send.
        receipts: Filled with the receipt of each event by the id of its letter, as they come.

    Raises:
        BrokerUnreachable: If the broker goes away for longer than it may.
        BrokerRefused: If it does not take an event.
    """
    wanted = {one.place for one in plan.sendable}
    letters = (one for one in read_kept(settings, ranges) if one.place in wanted)
    async with contextlib.AsyncExitStack() as stack:
        outlets: dict[str, _Outlet] = {}
        while block := await asyncio.to_thread(_block, letters):
            for letter in block:
                topic = letter.source.topic
                if topic not in outlets:
                    outlets[topic] = _Outlet(settings.kafka, topic, plan.partitions[topic], receipts)
                    await stack.enter_async_context(outlets[topic].producer)
                await outlets[topic].send(letter, plan.target(letter))
        for outlet in outlets.values():
            await outlet.producer.finish()


class _Outlet:
    """One topic's producer, and which letters its records came from."""

    def __init__(self, settings: KafkaSettings, topic: str, partitions: int, receipts: dict[str, Receipt]) -> None:
        self._sent: list[str] = []
        self._receipts = receipts
        self.producer = BulkProducer(settings, topic, partitions, self._confirmed)

    async def send(self, letter: DeadLetter, partition: int) -> None:
        self._sent.append(letter.dead_letter_id)
        key, value = _bytes(letter.key_base64), _bytes(letter.payload_base64)
        await self.producer.send(key, value, event_headers(letter), partition)

    def _confirmed(self, number: int, receipt: Receipt) -> None:
        self._receipts[self._sent[number]] = receipt


def _block(letters: Iterator[Kept]) -> list[DeadLetter]:
    taken: list[DeadLetter] = []
    size_bytes = 0
    for one in letters:
        taken.append(one.letter)
        size_bytes += len(one.raw)
        if size_bytes >= READ_BYTES:
            break
    return taken


def _partitions(broker: Broker, topics: Collection[str]) -> dict[str, int]:
    """Count the partitions of those topics that exist."""
    wanted = sorted(topics)
    while wanted:
        try:
            return {name: one.partitions for name, one in broker.identify(wanted).items()}
        except TopicMissing as error:
            wanted = [name for name in wanted if name not in error.topics]
    return {}


def _with_topic(one: Candidate, partitions: Mapping[str, int]) -> Candidate:
    topic = one.letter.source.topic
    if one.obstacle is not None or topic in partitions:
        return one
    return replace(one, obstacle=f"there is no topic {topic}")


def _replay_of(letter: DeadLetter) -> str | None:
    found = [header.value_base64 for header in letter.headers if header.key == REPLAY_OF]
    return (_bytes(found[-1]) or b"").decode("utf-8", "replace") if found else None


def _offset(letter: DeadLetter) -> tuple[int, int]:
    return letter.source.partition, letter.source.offset


def _bytes(encoded: str | None) -> bytes | None:
    return None if encoded is None else base64.b64decode(encoded)
