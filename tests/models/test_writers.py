import pytest

from models.extractive import ExtractiveWriter
from models.writers import UnknownWriterError, choose_writer
from tests.processors import fake_encoder


def test_extractive_is_served():
    writer = choose_writer("extractive", fake_encoder, "table-1")
    assert isinstance(writer, ExtractiveWriter)
    assert writer.model == "table-1"


@pytest.mark.parametrize("setting", ["openai:some-model", "local:/models/some"])
def test_writers_of_later_versions_say_so(setting):
    with pytest.raises(UnknownWriterError, match=f"{setting}: a later version brings it"):
        choose_writer(setting, fake_encoder, "table-1")


@pytest.mark.parametrize("setting", ["", "openai:", "extractiv", "extractive:x"])
def test_unknown_writers_are_refused_with_the_remedy(setting):
    with pytest.raises(UnknownWriterError, match='use "extractive"'):
        choose_writer(setting, fake_encoder, "table-1")
