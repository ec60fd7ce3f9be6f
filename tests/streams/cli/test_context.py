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


OPENAI = {"MILLRACE_WRITER": "openai:m", **URL}
KEY = "sk a secret"


@pytest.mark.parametrize(
    ("environ", "told", "remedy"),
    [
        (OPENAI | {"MILLRACE_WRITER_URL": "models.example/v1"}, "no web address", "MILLRACE_WRITER_URL"),
        (OPENAI | {"MILLRACE_WRITER_URL": f"https://me:{KEY}@models.example/v1"}, "a password", "MILLRACE_WRITER_URL"),
        (OPENAI | {"MILLRACE_WRITER_API_KEY": KEY}, "writer.api_key has spaces", "MILLRACE_WRITER_API_KEY"),
        (
            {"MILLRACE_WRITER_FALLBACKS": "openai:m", "MILLRACE_WRITER_URL": "models.example"},
            "no web address",
            "MILLRACE_WRITER_URL",
        ),
    ],
)
def test_an_endpoint_that_nobody_could_call_is_refused_before_anything_starts(environ, told, remedy):
    with pytest.raises(SettingsError) as refused:
        check_supported(Settings.from_env(environ))
    assert told in refused.value.message
    assert remedy in refused.value.remedy
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"MILLRACE_WRITER_PROMPT": "sumary"}, "prompt sumary: there is no prompt 'sumary'"),
        ({"MILLRACE_WRITER_PROMPT": "OWN"}, "No filter named 'nosuch'"),
        ({"MILLRACE_WRITER_PROMPT": "answer"}, "is for something else"),
        ({"MILLRACE_ANSWER_PROMPT": "summary"}, "is for something else"),
        (
            {"MILLRACE_WRITER": "extractive", "MILLRACE_WRITER_FALLBACKS": "openai:m", "MILLRACE_WRITER_PROMPT": "x"},
            "x",
        ),
        (
            {"MILLRACE_WRITER": "extractive", "MILLRACE_ANSWER_USE": "openai:m", "MILLRACE_ANSWER_PROMPT": "x"},
            "prompt x",
        ),
        (
            {
                "MILLRACE_WRITER_OTHER": "openai:n",
                "MILLRACE_WRITER_OTHER_SHARE": "0.1",
                "MILLRACE_WRITER_OTHER_PROMPT": "x",
            },
            "prompt x",
        ),
    ],
)
def test_a_prompt_that_no_model_could_be_asked_with_is_refused_before_anything_starts(tmp_path, environ, told):
    own = tmp_path / "own.md"
    own.write_text('+++\nname = "own"\nversion = 1\ninputs = ["material"]\n+++\n[user]\n{{ material | nosuch }}\n')
    with pytest.raises(SettingsError) as refused:
        check_supported(
            Settings.from_env(OPENAI | {name: value.replace("OWN", str(own)) for name, value in environ.items()})
        )
    assert told in refused.value.message
    assert "millrace prompts" in refused.value.remedy


@pytest.mark.parametrize(
    "environ",
    [
        {"MILLRACE_WRITER_PROMPT": "x", "MILLRACE_ANSWER_PROMPT": "x", "MILLRACE_WRITER_URL": "nowhere"},
        OPENAI | {"MILLRACE_ANSWER_USE": "extractive", "MILLRACE_ANSWER_PROMPT": "x"},
        OPENAI | {"MILLRACE_WRITER_OTHER": "openai:n", "MILLRACE_WRITER_OTHER_PROMPT": "x"},
    ],
)
def test_what_no_model_is_asked_with_does_not_matter(environ):
    check_supported(Settings.from_env(environ))
