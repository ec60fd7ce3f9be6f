"""What every command starts from."""

import os
from pathlib import Path

from infra.errors import SettingsError
from infra.settings import FILE_NAME, Settings


def load_settings() -> Settings:
    """Read the settings of this shell and folder, and set the log up as they say.

    Raises:
        SettingsError: If a setting is unknown or has a value it cannot have.
    """
    settings = read_settings()
    from infra.logging import configure_logging  # here: half of the commands never need it

    configure_logging(settings.log.format, settings.log.level)
    return settings


def check_supported(settings: Settings) -> None:
    """Refuse what can be set already but comes with a later version, before anything starts.

    Raises:
        SettingsError: If a writer other than the extractive one is set.
    """
    if settings.writer.use != "extractive":
        told = f"writer.use is {settings.writer.use!r}, but this version has the extractive writer only"
        raise SettingsError(told, "Unset MILLRACE_WRITER; a later version brings openai:MODEL and local:PATH.")


def read_settings() -> Settings:
    """Read MILLRACE_CONFIG or ``millrace.toml`` here, if there is one, and the environment over it.

    Raises:
        SettingsError: If a setting is unknown or has a value it cannot have.
    """
    here = Path(FILE_NAME)
    unnamed = not os.environ.get("MILLRACE_CONFIG")
    return Settings.from_env(os.environ, here if unnamed and here.exists() else None)
