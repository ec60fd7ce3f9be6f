import base64
import hashlib
import json
from collections import defaultdict
from typing import ClassVar

import pytest
from click.testing import CliRunner

from infra.errors import BrokerUnreachable, TopicMissing
from infra.kafka.admin import TopicIdentity
from infra.kafka.producer import Receipt, partition_of
from infra.settings import Settings
from schemas.dead_letters import DeadLetter, HeaderCopy, Place
from streams.cli import dead_letters
from streams.cli.errors import CommandError
from streams.cli.letters import replaying
from streams.cli.letters.kept_letters import Choice, Kept, resolve
from streams.cli.letters.replaying import Plan, choose, event_headers, newest_of_each, obstacle
from tests.streams.cli.samples import letter

REVIEWS, POINTS = "millrace.reviews.v1", "millrace.points.v1"
PAYLOAD = b'{"review_id": "r"}'


def coded(value: bytes) -> str:
    return base64.b64encode(value).decode()


def whole(offset: int = 7, payload: bytes | None = PAYLOAD, **changed: object) -> DeadLetter:
    """A letter as an agent writes it."""
    digest = None if payload is None else hashlib.sha256(payload).hexdigest()
    return letter(offset, payload=payload, **{"payload_sha256": digest, "key_base64": coded(b"p"), **changed})


def kept(*letters: DeadLetter) -> list[Kept]:
    return [Kept(b"raw", one, (0, offset)) for offset, one in enumerate(letters)]


@pytest.mark.parametrize(
    ("one", "told"),
    [
        (whole(), None),
        (whole(payload=None), None),
        (whole(payload=b""), None),
        (letter(), None),
        (whole(reason="not_yet_supported"), None),
        (whole(payload_bytes=5_000_000), "only the first 18 of its 5,000,000 bytes"),
        (whole(reason="records_lost", payload=None), "the broker deleted these events"),
        (whole(reason="output_too_large"), "an output of ours"),
        (whole(payload_base64=None, headers=[], key_base64=None), "too large to keep its payload"),
        (whole(payload_base64="%%%"), "no base64"),
        (whole(payload_base64=coded(b'{"review_id": "s"}')), "does not fit its hash"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_only_what_is_kept_whole_can_be_replayed(one, told):
    found = obstacle(one)
    assert found is None if told is None else told in found


def test_an_event_that_failed_again_counts_once_by_its_newest_letter():
    older = whole(1, reason="not_yet_supported", age_s=90)
    newer = whole(1, reason="invalid_field", age_s=10)
    for order in ((older, newer), (newer, older)):
        (found,) = newest_of_each(kept(*order)).values()
        assert found.letter.reason == "invalid_field"
        assert found.place == (0, order.index(newer))
    assert choose(newest_of_each(kept(older, newer)), Choice(reason="not_yet_supported")) == []


def test_an_event_whose_replay_failed_is_replayed_once_unless_it_is_named():
    first, other = whole(1), whole(2)
    again = whole(3, headers=[HeaderCopy(key="millrace_replay_of", value_base64=coded(first.dead_letter_id.encode()))])
    newest = newest_of_each(kept(first, other, again))
    assert [one.letter.source.offset for one in choose(newest, Choice())] == [2, 3]
    (named,) = choose(newest, Choice([first.dead_letter_id]))
    assert named.letter.source.offset == 1


def test_letters_are_replayed_in_the_order_of_their_events():
    places = [(POINTS, 0, 1), (REVIEWS, 1, 2), (REVIEWS, 0, 9), (REVIEWS, 0, 10)]
    letters = [
        whole(source=Place(topic=topic, partition=partition, offset=offset), dead_letter_id=f"a:{topic}:{offset}")
        for topic, partition, offset in places
    ]
    sources = [one.letter.source for one in choose(newest_of_each(kept(*reversed(letters))), Choice())]
    assert [(one.topic, one.partition, one.offset) for one in sources] == sorted(places)


def test_a_letter_is_named_by_its_id_its_event_or_a_beginning_that_only_it_has():
    letters = [whole(7), whole(71), whole(72)]
    name = "digest:millrace.reviews.v1:3:7"
    assert resolve(name, letters) == {name}  # though two others begin so
    assert resolve("millrace.reviews.v1:3:71", letters) == {f"{name}1"}
    assert resolve("digest:millrace.reviews.v1:3:72", letters) == {f"{name}2"}
    assert resolve("dig", letters[:1]) == {name}
    with pytest.raises(CommandError, match="beginning of 3 dead letters") as several:
        resolve("dig", letters)
    assert several.value.code == 2
    with pytest.raises(CommandError, match="no dead letter 'x' is kept") as none:
        resolve("x", letters)
    assert none.value.code == 5


def test_an_event_is_replayed_with_its_headers_and_the_letter_it_comes_from():
    own = [
        HeaderCopy(key="ce_id", value_base64=coded(b"x")),
        HeaderCopy(key="null", value_base64=None),
        HeaderCopy(key="ce_id", value_base64=coded(b"again")),
        HeaderCopy(key="millrace_replay_of", value_base64=coded(b"an earlier letter")),
    ]
    one = whole(headers=own)
    assert event_headers(one) == [
        ("ce_id", b"x"),
        ("null", None),
        ("ce_id", b"again"),
        ("millrace_replay_of", one.dead_letter_id.encode()),
    ]


def test_an_event_goes_to_its_own_partition_or_by_its_key_where_there_are_fewer():
    assert Plan([], {REVIEWS: 4}).target(whole()) == 3
    assert Plan([], {REVIEWS: 2}).target(whole()) == partition_of(b"p", 2)
    assert Plan([], {REVIEWS: 2}).target(whole(key_base64=None)) == partition_of(b"", 2)


class FakeBroker:
    """Knows the topics it is made with."""

    def __init__(self, settings) -> None:
        self.topics = {REVIEWS: 4}

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        pass

    def identify(self, names):
        if missing := [name for name in names if name not in self.topics]:
            raise TopicMissing(missing)
        return {name: TopicIdentity("c", "t", self.topics[name]) for name in names}


class FakeProducer:
    """Confirms everything at the end; goes away after ``patience`` records."""

    sent: ClassVar[dict[str, list]]
    patience: int | None = None

    def __init__(self, settings, topic, partitions, confirmed) -> None:
        self._topic, self._confirmed = topic, confirmed

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_) -> None:
        pass

    async def send(self, key, value, headers, partition) -> None:
        mine = self.sent[self._topic]
        if len(mine) == self.patience:
            self._confirm(mine)
            raise BrokerUnreachable("kafka:9092")
        mine.append((partition, key, value, dict(headers)))

    async def finish(self) -> None:
        self._confirm(self.sent[self._topic])

    def _confirm(self, mine) -> None:
        for number, (partition, *_) in enumerate(mine):
            self._confirmed(number, Receipt(self._topic, partition, 100 + number))


@pytest.fixture
def replay(monkeypatch, tmp_path):
    """Run the command over some letters; returns its outcome and what was sent."""

    def run(letters, *arguments, forgets=()):
        monkeypatch.setattr(FakeProducer, "sent", defaultdict(list), raising=False)
        reads = []

        def read(settings, ranges):
            reads.append(ranges)
            return iter([one for one in kept(*letters) if len(reads) == 1 or one.letter not in forgets])

        monkeypatch.setattr(dead_letters, "load_settings", lambda: Settings(home=tmp_path))
        monkeypatch.setattr(dead_letters, "letter_ranges", lambda settings: {("d", 0): (0, len(letters))})
        monkeypatch.setattr(replaying, "read_kept", read)
        monkeypatch.setattr(replaying, "Broker", FakeBroker)
        monkeypatch.setattr(replaying, "BulkProducer", FakeProducer)
        return CliRunner().invoke(dead_letters.command, ["replay", *arguments]), FakeProducer.sent

    return run


def test_events_are_sent_as_they_were(replay):
    told, sent = replay([whole(7), whole(8, payload=None, key_base64=None, headers=[])], "--all")
    assert (told.exit_code, told.output) == (0, "replayed 2 dead letters, left out 0\n")
    first, second = sent[REVIEWS]
    assert first[:3] == (3, b"p", PAYLOAD)
    assert first[3]["millrace_replay_of"] == b"digest:millrace.reviews.v1:3:7"
    assert second == (3, None, None, {"millrace_replay_of": b"digest:millrace.reviews.v1:3:8"})


def test_what_cannot_be_replayed_is_told_in_a_line_and_the_rest_is_sent(replay):
    elsewhere = whole(source=Place(topic=POINTS, partition=0, offset=1), dead_letter_id="summarize:x")
    told, sent = replay([whole(1), whole(2, reason="records_lost"), elsewhere], "--all")
    assert told.exit_code == 3
    assert told.stderr.splitlines() == [
        "left out summarize:x: there is no topic millrace.points.v1",
        "left out digest:millrace.reviews.v1:3:2: the broker deleted these events before they were read: "
        "send them again from where they came",
    ]
    assert told.stdout == "replayed 1 dead letter, left out 2\n"
    assert {topic: len(records) for topic, records in sent.items()} == {REVIEWS: 1}


def test_a_dry_run_shows_what_it_would_send_and_sends_nothing(replay):
    told, sent = replay([whole(1), whole(2)], "--reason", "invalid_field", "--dry-run", "--limit", "1")
    assert told.exit_code == 0
    assert "millrace.reviews.v1:3:1" in told.output
    assert "millrace.reviews.v1:3:2" not in told.output
    assert told.output.endswith("would replay 1 dead letter, left out 0\n")
    assert not sent


def test_json_has_a_line_for_every_letter(replay):
    told, _ = replay([whole(1), whole(2, reason="records_lost")], "--topic", "reviews", "--json")
    first, second = [json.loads(line) for line in told.stdout.splitlines()]
    name = "digest:millrace.reviews.v1:3:"
    assert first == {
        "dead_letter_id": f"{name}1",
        "to": f"{REVIEWS}:3",
        "receipt": f"{REVIEWS}:3:100",
        "left_out": None,
    }
    assert (second["to"], second["receipt"]) == (None, None)
    assert "deleted" in second["left_out"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ((), 2, "Say which"),
        (("--since", "yesterday"), 2, "30min, 2h or 7d"),
        (("--since", "1s"), 5, "no dead letter is like that"),
        (("--reason", "not_json"), 5, "no dead letter is like that"),
        (("nobody",), 5, "no dead letter 'nobody' is kept"),
        (("--since", "2023-11-01", "--agent", "digest"), 0, ""),
        (("millrace.reviews.v1:3:1",), 0, ""),
    ],
)
def test_who_names_no_letter_is_told_so(replay, arguments, code, told):
    outcome, sent = replay([whole(1)], *arguments)
    error = outcome.exception
    found = error.code if isinstance(error, CommandError) else outcome.exit_code
    assert found == code
    assert told in (str(error) if isinstance(error, CommandError) else outcome.output)
    assert bool(sent) == (code == 0)


def test_letters_deleted_while_we_send_are_left_out(replay):
    gone = whole(2)
    told, _ = replay([whole(1), gone], "--all", forgets=[gone])
    assert told.exit_code == 3
    assert "deleted by the broker before it was sent" in told.stderr
    assert told.stdout == "replayed 1 dead letter, left out 1\n"


def test_a_broker_that_goes_away_is_told_with_what_was_replayed(replay, monkeypatch):
    monkeypatch.setattr(FakeProducer, "patience", 2)
    told, _ = replay([whole(number) for number in range(5)], "--all")
    assert isinstance(told.exception, CommandError)
    assert "2 of 5 dead letters were replayed, then no Kafka broker answers" in str(told.exception)
    assert "replaying twice is harmless" in str(told.exception)
