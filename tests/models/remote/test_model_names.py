import pytest

from models.remote.model_names import same_model


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4", "gpt-4-0613"),
        ("gpt-4o", "openai/gpt-4o-2024-08-06"),
        ("openai/gpt-4o", "gpt-4o"),
        ("mistral-large-latest", "mistral-large-2411"),
        ("claude-sonnet", "claude-sonnet-20250514"),
        ("gemini-2.0-flash", "models/gemini-2.0-flash-001"),
        ("meta-llama/Llama-3.1-8B-Instruct", "meta-llama/llama-3.1-8b-instruct:free"),
        ("/models/own", "/models/own@main"),
        ("llama3:latest", "llama3"),
        ("gpt-4o-2024-08-06", "openai/gpt-4o-2024-08-06"),
    ],
)
def test_dated_and_prefixed_names_are_the_same_model(asked, answered):
    assert same_model(asked, answered)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("gpt-4o", "gpt-4o-mini"),
        ("gpt-4o", "gpt-4"),
        ("gpt-4o-mini", "gpt-4o"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06"),
        ("qwen2.5-7b", "qwen2.5-72b"),
        ("mine/own", "theirs/own"),
        ("own-125", "own-350"),
        ("own", "own-350"),
        ("llama3:8b", "llama3:70b"),
        ("gpt-4o", ""),
        ("gpt-4o", "2024-08-06"),
    ],
)
def test_other_sizes_dates_and_owners_are_other_models(asked, answered):
    assert not same_model(asked, answered)
