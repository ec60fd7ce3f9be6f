"""``millrace topics``: create and list the Kafka topics."""

import dataclasses

import click
import msgspec

from infra.kafka.admin import Applied, Broker
from infra.kafka.reading import topic_ranges
from streams.cli.context import load_settings
from streams.topics import TOPICS, declarations, topic_name


@click.group("topics")
def command() -> None:
    """Create and list the Kafka topics."""


@command.command("apply")
@click.option("--json", "as_json", is_flag=True, help="One topic a line.")
def apply(as_json: bool) -> None:
    """Create the topics that are missing; nothing that exists is changed.

    \b
    Example:
      millrace topics apply
    """
    settings = load_settings().kafka
    with Broker(settings) as broker:
        applied = broker.apply_topics(declarations(settings))
    for one in applied:
        click.echo(msgspec.json.encode(dataclasses.asdict(one)).decode() if as_json else _line(one))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One topic a line.")
def list_topics(as_json: bool) -> None:
    """List the topics with how much they hold.

    \b
    Example:
      millrace topics list
    """
    settings = load_settings().kafka
    names = [topic_name(settings.prefix, logical) for logical in TOPICS]
    with Broker(settings) as broker:
        standing = {topic.name: topic for topic in broker.list_topics()}
        ranges = topic_ranges(broker, [name for name in names if name in standing])
    if not as_json:
        click.echo(f"{'topic':{_width(names)}}  partitions      records  largest value")
    for name, limit in zip(names, TOPICS.values(), strict=True):
        topic = standing.get(name)
        held = sum(found[1] - found[0] for place, found in ranges.items() if place[0] == name)
        if as_json:
            row = {"name": name, "exists": topic is not None, "partitions": topic.partitions if topic else 0}
            click.echo(msgspec.json.encode(row | {"records": held, "max_value_bytes": limit}).decode())
        elif topic is None:
            click.echo(f"{name:{_width(names)}}  missing: millrace topics apply")
        else:
            click.echo(f"{name:{_width(names)}}  {topic.partitions:10}  {held:11,}  {limit >> 20:9} MiB")


def _width(names: list[str]) -> int:
    return max(map(len, names))


def _line(one: Applied) -> str:
    detail = f": {'; '.join(one.differences)} (left as it is)" if one.differences else ""
    return f"{one.name}  {one.outcome}{detail}"
