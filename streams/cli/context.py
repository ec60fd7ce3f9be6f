"""What every command starts from."""

import os
from pathlib import Path

from infra.errors import SettingsError
from infra.model_settings import WriterSettings
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
    """Refuse writers, endpoints, prompts and prices that cannot be, before anything starts.

    Raises:
        SettingsError: If one is named that nobody knows or that cannot be used.
    """
    from models.naming import ModelName, UnknownWriterError, check_names  # here: half of the commands never need it
    from processors.calls.prices import Prices, WrongPrices

    writer, answerer = settings.writer, settings.answer.use
    try:
        told = [writer.use, writer.other, answerer if answerer != "writer" else None]
        names = [ModelName.parse(one) for one in told if one is not None] + [*ModelName.parse_all(writer.fallbacks)]
        check_names(names, writer.url)
        _check_prompts(settings)
        prices = Prices.parse(writer.prices)
        unpriced = [one.model for one in names if one.kind == "openai" and not prices.knows(one.model)]
    except UnknownWriterError as error:
        raise SettingsError(error.message, error.remedy) from error
    except WrongPrices as error:
        raise SettingsError(f"writer.prices: {error}", "Correct MILLRACE_WRITER_PRICES.") from error
    if any(one.kind == "openai" for one in names):
        _check_endpoint(writer)
    if unpriced and not (writer.budget_day is None and writer.budget_key is None):
        what = f"writer.budget_day and budget_key: nobody told what {unpriced[0]} costs, so they would not hold"
        raise SettingsError(what, f'Set MILLRACE_WRITER_PRICES="{unpriced[0]}=IN/OUT", or limit tokens instead.')
    if writer.other is None and (writer.other_share > 0 or writer.other_prompt is not None):
        raise SettingsError("writer.other_share: there is no other writer", f"Set MILLRACE_WRITER_OTHER={writer.use}.")


def _check_endpoint(writer: WriterSettings) -> None:
    from models.remote.address import UnusableEndpointError, read_address, read_key  # here: few settings name one

    variable = "MILLRACE_WRITER_URL"
    try:
        read_address(writer.url or "")
        variable = "MILLRACE_WRITER_API_KEY"
        read_key(None if writer.api_key is None else writer.api_key.reveal())
    except UnusableEndpointError as error:
        raise SettingsError(str(error), f"Correct {variable}.") from error


def _check_prompts(settings: Settings) -> None:
    """Load each prompt that a model is to write with; extractive writers have none.

    Raises:
        models.naming.UnknownWriterError: If one cannot be used.
    """
    from models import answerers, writers  # here: half of the commands never need them
    from models.engines import prompt_of

    writer, answer = settings.writer, settings.answer
    others = [writer.other] if writer.other is not None and writer.other_share > 0 else []
    fallbacks = [one.strip() for one in (writer.fallbacks or "").split(",") if one.strip()]
    answering = [writer.use, *others] if answer.use == "writer" else [answer.use]
    for names, prompt, inputs in (
        ([writer.use, *fallbacks], writer.prompt, writers.INPUTS),
        (others, writer.other_prompt or writer.prompt, writers.INPUTS),
        ([*answering, *fallbacks], answer.prompt, answerers.INPUTS),
    ):
        if any(name != "extractive" for name in names):
            prompt_of(prompt, inputs)


def read_settings() -> Settings:
    """Read MILLRACE_CONFIG or ``millrace.toml`` here, if there is one, and the environment over it.

    Raises:
        SettingsError: If a setting is unknown or has a value it cannot have.
    """
    here = Path(FILE_NAME)
    unnamed = not os.environ.get("MILLRACE_CONFIG")
    return Settings.from_env(os.environ, here if unnamed and here.exists() else None)
