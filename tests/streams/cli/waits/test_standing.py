import pytest

from streams.cli.waits.standing import NotStanding, Wait, ordered, upstream
from streams.cli.waits.surroundings import NobodyWorks
from tests.streams.cli.fake_surroundings import DIGEST, GRAPH, SUMMARIZE, Fake, Spec


def wait(fake: Fake, agents=(DIGEST, SUMMARIZE), timeout: float = 10.0, topics=("reviews",)) -> None:
    origins = {topic: fake.ranges([topic]) for topic in topics}
    Wait(agents, fake, timeout, clock=lambda: fake.now, sleep=fake.sleep).run(origins)


def test_agents_come_after_all_that_feed_them() -> None:
    assert [agent.name for agent in ordered(GRAPH)] == ["digest", "summarize", "watch"]


def test_agents_in_a_circle_are_refused() -> None:
    with pytest.raises(ValueError, match="circle: a, b"):
        ordered([Spec("a", ("x",), ("y",)), Spec("b", ("y",), ("x",))])


def test_waiting_for_one_agent_means_all_that_feed_it() -> None:
    assert {agent.name for agent in upstream(GRAPH, ["summarize"])} == {"digest", "summarize"}


def test_what_an_agent_published_while_it_was_waited_for_is_waited_for_too() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)})
    fake.set("digest", "reviews", 5)
    fake.set("summarize", "points", 3)

    def digest_finishes(fake: Fake) -> None:
        fake.set("digest", "reviews", 10)
        fake.logs["points"] = (0, 4)

    fake.steps = [digest_finishes, lambda fake: fake.set("summarize", "points", 4)]
    wait(fake)
    assert fake.steps == []


def test_what_is_only_to_be_applied_is_not_hurried_and_its_outputs_are_not_waited_for() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 0)}, outboxes={"digest": {1: (("reviews", 0), 2)}})
    fake.set("digest", "reviews", 2, fence=9, held_by="timers")
    fake.steps = [lambda fake: fake.set("digest", "reviews", 2, fence=10, held_by="timers")]
    origins = {"reviews": fake.ranges(["reviews"])}
    Wait([DIGEST], fake, 10.0, clock=lambda: fake.now, sleep=fake.sleep, applied=True).run(origins)
    assert (fake.steps, fake.hurried) == ([], [])


def test_what_is_produced_later_is_not_waited_for() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 0)})
    fake.set("digest", "reviews", 10)
    fake.logs["points"] = (0, 0)
    origins = {"reviews": fake.ranges(["reviews"])}
    fake.logs["reviews"] = (0, 99)
    Wait([DIGEST, SUMMARIZE], fake, 1.0, clock=lambda: fake.now, sleep=fake.sleep).run(origins)


def test_at_the_deadline_the_first_agent_that_lacks_something_is_told() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)})
    fake.set("digest", "reviews", 7, fence=10, held_by="outbox")
    with pytest.raises(NotStanding) as told:
        wait(fake, timeout=0.5)
    assert [(gap.agent, gap.place, gap.missing, gap.mark.held_by) for gap in told.value.gaps] == [
        ("digest", ("reviews", 0), 3, "outbox")
    ]


def test_a_partition_nobody_ever_read_misses_what_the_log_keeps() -> None:
    fake = Fake(logs={"reviews": (4, 10)})
    with pytest.raises(NotStanding) as told:
        wait(fake, timeout=0.5)
    assert told.value.gaps[0].missing == 6


def test_an_empty_log_is_standing_though_nobody_read_it() -> None:
    wait(Fake(logs={"reviews": (10, 10), "points": (0, 0)}))


def test_timers_are_made_due_only_once_the_partition_is_applied() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 0)})
    fake.set("digest", "reviews", 2, fence=5, held_by="timers")
    fake.steps = [
        lambda fake: fake.set("digest", "reviews", 2, fence=8, held_by="timers"),
        lambda fake: fake.set("digest", "reviews", 2, fence=10, held_by="timers"),
        lambda fake: fake.set("digest", "reviews", 10),
    ]
    wait(fake)
    assert fake.hurried[-1] == ("digest", {("reviews", 0): 10})
    assert len(fake.hurried) <= 2


def test_offsets_that_are_no_records_are_not_waited_for() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 0)}, holes={9})
    fake.set("digest", "reviews", 9)
    wait(fake)
    fake.set("digest", "reviews", 8)
    with pytest.raises(NotStanding):
        wait(fake, timeout=fake.now + 5)


def test_a_receipt_of_an_inner_topic_skips_what_is_upstream() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)})
    fake.set("summarize", "points", 3)
    wait(fake, topics=("points",))


def test_an_agent_that_reads_both_ends_waits_for_both() -> None:
    fake = Fake(logs={"reviews": (0, 1), "points": (0, 1), "summaries": (0, 1)})
    for agent, topic in (("digest", "reviews"), ("summarize", "points"), ("watch", "reviews")):
        fake.set(agent, topic, 1)
    with pytest.raises(NotStanding) as told:
        wait(fake, GRAPH, timeout=0.5)
    assert [gap.place for gap in told.value.gaps] == [("summaries", 0)]


def test_a_graph_nobody_here_knows_is_waited_for_as_it_declares_itself() -> None:
    split, left, right, join = (
        Spec("split", ("raw",), ("halves",)),
        Spec("left", ("halves",), ("lefts",)),
        Spec("right", ("halves", "raw"), ("rights",)),
        Spec("join", ("lefts", "rights"), ("wholes",)),
    )
    fake = Fake(logs=dict.fromkeys(("raw", "halves", "lefts", "rights"), (0, 1)))
    chain = [(split, ("raw",)), (left, ("halves",)), (right, ("halves", "raw")), (join, ("lefts", "rights"))]
    for agent, topics in chain:
        for topic in topics:
            fake.set(agent.name, topic, 0)

    def finish(agent: Spec, topics: tuple[str, ...]):
        def step(fake: Fake) -> None:
            for topic in topics:
                fake.set(agent.name, topic, fake.logs[topic][1])
            for topic in agent.outputs:  # what it makes only now counts for who reads it
                if topic in fake.logs:
                    fake.logs[topic] = (0, fake.logs[topic][1] + 1)

        return step

    fake.steps = [finish(agent, topics) for agent, topics in chain]
    wait(fake, [join, right, left, split], topics=("raw",))
    assert fake.steps == []
    assert {place: mark.offset for place, mark in fake.marks["join"].items()} == {("lefts", 0): 2, ("rights", 0): 2}


def test_the_ends_of_an_inner_topic_are_looked_at_only_once_everything_upstream_is_published() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)})
    fake.set("digest", "reviews", 10)
    fake.set("summarize", "points", 3)
    # Review 9 of this partition adds nothing to one of partition 1, whose points are written and not published.
    fake.outboxes["digest"] = {7: (("reviews", 1), 4)}

    def publish(fake: Fake) -> None:
        fake.outboxes["digest"] = {8: (("reviews", 0), 12)}  # written later: not ours to wait for
        fake.logs["points"] = (0, 4)

    fake.steps = [publish, lambda fake: fake.set("summarize", "points", 4)]
    wait(fake)
    assert fake.steps == []


def test_an_output_that_is_never_published_is_told_by_its_own_input() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)})
    fake.set("digest", "reviews", 10)
    fake.outboxes["digest"] = {7: (("reviews", 1), 4)}
    with pytest.raises(NotStanding) as told:
        wait(fake, timeout=0.5)
    (gap,) = told.value.gaps
    assert (gap.agent, gap.place, gap.mark.offset, gap.missing, gap.mark.held_by) == (
        "digest", ("reviews", 1), 4, 1, "outbox",
    )  # fmt: skip


def test_what_an_agent_lacks_is_known_also_when_nobody_works_for_it() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 3)}, stopped={"summarize"})
    fake.set("digest", "reviews", 10)
    fake.set("summarize", "points", 1)
    waiting = Wait([DIGEST, SUMMARIZE], fake, 10.0, clock=lambda: fake.now, sleep=fake.sleep)
    with pytest.raises(NobodyWorks):
        waiting.run({"reviews": fake.ranges(["reviews"])})
    assert [(gap.agent, gap.missing) for gap in waiting.missing] == [("summarize", 2)]


def test_what_was_read_of_another_log_is_never_taken_for_what_was_asked_for() -> None:
    fake = Fake(logs={"reviews": (0, 10), "points": (0, 0)}, strange={"digest"})
    fake.set("digest", "reviews", 99)
    with pytest.raises(ValueError, match="other logs"):
        wait(fake)
