import pytest

from models.answerers import choose_answerer
from models.engines import EngineOptions, Engines, Manner
from models.extractive import ExtractiveWriter
from models.naming import UnknownWriterError
from models.ports import Decoding
from models.writers import choose_writer
from tests.processors import fake_encoder

REMOTE = Engines(EngineOptions(url="http://127.0.0.1:9/v1"), Manner(Decoding(max_tokens=50), "de"))
NOWHERE = Engines(EngineOptions(), Manner(Decoding(max_tokens=50)))


def test_extractive_is_served():
    writer = choose_writer("extractive", fake_encoder, "table-1", NOWHERE, "no such prompt")
    assert isinstance(writer, ExtractiveWriter)
    assert (writer.model, writer.refreshes, writer.endpoint) == ("table-1", True, "")
    extractive = object()
    assert choose_answerer("extractive", extractive, NOWHERE, "no such prompt") is extractive


def test_a_language_model_writes_by_its_prompt_in_its_manner():
    writer = choose_writer("openai:m", fake_encoder, "table-1", REMOTE, "summary")
    answerer = choose_answerer("openai:m", None, REMOTE, "answer")
    for one, prompt in ((writer, "summary@"), (answerer, "answer@")):
        assert (one.engine, one.model) == ("openai", "m")
        assert one.prompt_version.startswith(prompt)
        assert '"max_tokens":50' in one.parameters
        assert one.parameters.endswith("de")
        assert one.endpoint
    assert not writer.refreshes


@pytest.mark.parametrize("setting", ["", "openai:", "extractiv", "extractive:x"])
def test_unknown_names_are_refused_with_the_remedy(setting):
    with pytest.raises(UnknownWriterError, match="Use extractive, openai:MODEL"):
        choose_writer(setting, fake_encoder, "table-1", REMOTE, "summary")
    with pytest.raises(UnknownWriterError, match="Use extractive, openai:MODEL"):
        choose_answerer(setting, None, REMOTE, "answer")


def test_what_a_name_needs_is_told(tmp_path):
    with pytest.raises(UnknownWriterError, match="needs an endpoint"):
        choose_writer("openai:m", fake_encoder, "table-1", NOWHERE, "summary")
    with pytest.raises(UnknownWriterError, match=f"writer local:{tmp_path}"):
        choose_writer(f"local:{tmp_path}", fake_encoder, "table-1", NOWHERE, "summary")
    with pytest.raises(UnknownWriterError, match="is for something else"):
        choose_writer("openai:m", fake_encoder, "table-1", REMOTE, "answer")
