"""``millrace down``: stop the local stack."""

import click
import msgspec

from streams.cli.context import load_settings
from streams.cli.stack import take_down, wipe
from streams.places import remove_stores


@click.command("down")
@click.option("--wipe", "wiped", is_flag=True, help="Also remove what it kept: topics, results, logs.")
@click.option("--json", "as_json", is_flag=True, help="One part a line.")
def command(wiped: bool, as_json: bool) -> None:
    """Stop the workers, our own Milvus and our own Kafka; what they kept is there at the next `up`.

    \b
    Example:
      millrace down
      millrace down --wipe
    """

    def tell(part: str, became: str) -> None:
        click.echo(msgspec.json.encode({"part": part, "state": became}).decode() if as_json else f"{part:8} {became}")

    settings = load_settings()
    take_down(settings, tell)
    if wiped:
        removed = wipe(settings.home)
        tell("home", f"removed {', '.join(removed)} under {settings.home}" if removed else "nothing to remove")
        if settings.sql.url is not None:
            schemas = remove_stores(settings)
            tell("sql", f"removed the schemas {', '.join(schemas)}" if schemas else "nothing to remove")
        if not settings.kafka.local:
            tell("topics", f"left alone on {settings.kafka.address}: workers will read them again from the start")
