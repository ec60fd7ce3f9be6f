import pytest

from infra.errors import SettingsError
from infra.settings import Settings
from streams.cli.context import check_supported

BUDGET = {"MILLRACE_WRITER": "openai:m", "MILLRACE_WRITER_BUDGET_DAY": "1"}
URL = {"MILLRACE_WRITER_URL": "https://models.example/v1"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"MILLRACE_WRITER": "openai:m", "MILLRACE_WRITER_PRICES": "m=1/2", **URL},
        {**BUDGET, "MILLRACE_WRITER_PRICES": "m=0/0", **URL},
        {"MILLRACE_WRITER_FALLBACKS": "openai:a, extractive", "MILLRACE_ANSWER_USE": "openai:b", **URL},
    ],
)
def test_writers_that_can_be_there_are_taken(environ):
    check_supported(Settings.from_env(environ))


@pytest.mark.parametrize(
    ("environ", "told", "remedy"),
    [
        ({"MILLRACE_WRITER": "openai:m"}, "openai:m needs an endpoint", "MILLRACE_WRITER_URL"),
        ({"MILLRACE_ANSWER_USE": "openai:m"}, "openai:m needs an endpoint", "MILLRACE_WRITER_URL"),
        ({"MILLRACE_WRITER_OTHER": "openai:m"}, "openai:m needs an endpoint", "MILLRACE_WRITER_URL"),
        ({"MILLRACE_WRITER_FALLBACKS": "openai:m"}, "openai:m needs an endpoint", "MILLRACE_WRITER_URL"),
        ({"MILLRACE_WRITER_FALLBACKS": "gpt-x"}, "writer 'gpt-x' is unknown", "openai:MODEL"),
        ({"MILLRACE_WRITER": "local:/nowhere"}, "there is no model in this folder", "as transformers saves it"),
        (
            {
                "MILLRACE_WRITER": "openai:m",
                "MILLRACE_WRITER_BUDGET_DAY": "1",
                "MILLRACE_WRITER_PRICES": "n=1/2",
                **URL,
            },
            "nobody told what m costs",
            "m=IN/OUT",
        ),
        ({"MILLRACE_WRITER_OTHER_SHARE": "0.5"}, "there is no other writer", "MILLRACE_WRITER_OTHER"),
        ({"MILLRACE_WRITER_PRICES": "m=cheap"}, "writer.prices: 'm=cheap' is no price", "MILLRACE_WRITER_PRICES"),
    ],
)
def test_a_writer_that_cannot_be_is_refused_before_anything_starts(environ, told, remedy):
    with pytest.raises(SettingsError) as refused:
        check_supported(Settings.from_env(environ))
    assert told in refused.value.message
    assert remedy in refused.value.remedy
