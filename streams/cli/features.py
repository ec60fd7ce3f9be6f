"""``millrace features``: what feature tables stand, what they say of a key, and whether that is right."""

import click

from streams.cli.feature_commands import compare, get, list_, show, training_set, verify


@click.group("features")
def command() -> None:
    """Read features, see what is defined and what stands, and hold rows against the events."""


for inner in (list_.command, get.command, show.command, compare.command, verify.command, training_set.command):
    command.add_command(inner)
