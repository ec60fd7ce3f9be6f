"""Where the commands read features from: featurize's store, and the user's module where one is named."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from infra.settings import Settings
from streams.cli.errors import CommandError, Exit
from streams.features.module import FeatureModule, load_features
from streams.features.past import StreamTables
from streams.features.reading import FeatureReader
from streams.places import store_place
from streams.unusable import Unusable

AGENT = "featurize"

EMPTY = (
    'No feature table stands yet. Name your module in millrace.toml ([features] module = "shop.features"), '
    "then: millrace up"
)
"""What to do where there is nothing."""


def needed_module(settings: Settings) -> FeatureModule:
    """Load the user's module.

    Raises:
        CommandError: If none is named, or it cannot be loaded.
    """
    try:
        return load_features(settings)
    except Unusable as error:
        raise CommandError(error.message, error.remedy, Exit.USAGE) from error


def quiet_module(settings: Settings) -> FeatureModule | None:
    """Load the user's module; none where none is named, or with a note on stderr where it cannot be loaded."""
    try:
        return load_features(settings) if settings.features.module else None
    except Unusable as error:
        click.echo(f"note: without your module: {error}", err=True)
        return None


@contextmanager
def open_reader(settings: Settings) -> Iterator[FeatureReader]:
    """Read what stands; moments before the newest event by the module's functions, where they can be had."""
    module = quiet_module(settings)
    functions = None if module is None else StreamTables(module.tables)
    reader = FeatureReader(store_place(settings, AGENT), functions, time.time)
    try:
        yield reader
    finally:
        reader.close()
