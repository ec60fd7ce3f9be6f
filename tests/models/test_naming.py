import pytest

from models.naming import ModelName, UnknownWriterError, check_names


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("extractive", ModelName("extractive")),
        (" openai:gpt-x ", ModelName("openai", "gpt-x")),
        ("openai:org/model:free#1", ModelName("openai", "org/model:free#1")),
        ("local:/models/small", ModelName("local", "/models/small")),
        ("local:small#polite", ModelName("local", "small", "polite")),
        ("local:/a#b/small#polite", ModelName("local", "/a#b/small", "polite")),
    ],
)
def test_a_name_says_what_runs_the_model_and_with_which_adapter(setting, name):
    assert ModelName.parse(setting) == name


@pytest.mark.parametrize(
    "setting", ["", "openai:", "openai: ", "local:", "local:#a", "local:x#", "extractiv", "extractive:x", "http://x"]
)
def test_what_names_nobody_is_refused_with_the_remedy(setting):
    with pytest.raises(UnknownWriterError, match="Use extractive, openai:MODEL, local:FOLDER"):
        ModelName.parse(setting)


def test_several_names_are_read_in_order_and_none_from_nothing():
    assert ModelName.parse_all("openai:a,extractive, local:b#c,") == [
        ModelName("openai", "a"),
        ModelName("extractive"),
        ModelName("local", "b", "c"),
    ]
    assert ModelName.parse_all(None) == ModelName.parse_all("") == []


def test_before_anything_is_loaded_addresses_and_folders_are_asked_for(tmp_path):
    local = ModelName("local", str(tmp_path))
    check_names([ModelName("extractive")], None)
    check_names([ModelName("openai", "a")], "https://models.example/v1")
    with pytest.raises(UnknownWriterError, match=r"openai:a needs an endpoint\. Set MILLRACE_WRITER_URL"):
        check_names([ModelName("openai", "a")], None)
    with pytest.raises(UnknownWriterError, match=r"no model in this folder \(config\.json is missing\)"):
        check_names([local], None)
    (tmp_path / "config.json").write_text("{}")
    check_names([local], None)
