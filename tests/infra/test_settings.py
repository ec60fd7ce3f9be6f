import dataclasses
import tomllib
from pathlib import Path

import pytest

from infra.errors import SettingsError
from infra.places import StorePlace
from infra.settings import Settings
from infra.settings_reading import Secret
from infra.settings_text import default_file, shown


def write(tmp_path, text):
    path = tmp_path / "millrace.toml"
    path.write_text(text)
    return path


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path):
    path = write(tmp_path, '[kafka]\nprefix = "shop"\npartitions = 3\n[digest]\nunread_s = 7\n')
    settings = Settings.from_env({"MILLRACE_KAFKA_PREFIX": "staging", "PATH": "x"}, path)
    assert settings.kafka.prefix == "staging"
    assert settings.kafka.partitions == 3
    assert settings.digest.unread_s == 7.0
    assert settings.kafka.local_port == 29092
    origins = settings.origins
    assert origins["kafka.prefix"] == "MILLRACE_KAFKA_PREFIX"
    assert origins["kafka.partitions"] == str(path)
    assert origins["kafka.local_port"] == "default"


def test_a_short_name_wins_over_the_long_one():
    both = {"MILLRACE_KAFKA": "a:1", "MILLRACE_KAFKA_BOOTSTRAP": "b:2"}
    assert Settings.from_env(both).kafka.address == "a:1"
    assert Settings.from_env({"MILLRACE_KAFKA_BOOTSTRAP": "b:2"}).kafka.address == "b:2"


def test_an_empty_variable_takes_an_optional_value_of_the_file_away(tmp_path):
    path = write(tmp_path, '[kafka]\nbootstrap = "cluster:9092"\n')
    assert Settings.from_env({}, path).kafka.address == "cluster:9092"
    assert Settings.from_env({"MILLRACE_KAFKA": ""}, path).kafka.local


def test_the_file_can_be_named_by_a_variable(tmp_path):
    path = write(tmp_path, '[writer]\nuse = "openai:gpt"\n')
    assert Settings.from_env({"MILLRACE_CONFIG": str(path)}).writer.use == "openai:gpt"


@pytest.mark.parametrize(
    ("environ", "text", "told"),
    [
        ({"MILLRACE_KAFKA_PARTITION": "3"}, "", "MILLRACE_KAFKA_PARTITIONS"),
        ({}, "[kafka]\nprefx = 'x'", "Did you mean kafka.prefix"),
        ({}, "[kafak]\nprefix = 'x'", "Did you mean kafka.prefix"),
        ({}, "[kafka.deep]\nx = 1", "unknown setting kafka.deep"),
        ({"MILLRACE_KAFKA_PARTITIONS": "many"}, "", "'many' is no whole number"),
        ({"MILLRACE_KAFKA_PARTITIONS": "0"}, "", "0 is below 1|'0' is below 1"),
        ({}, "[kafka]\npartitions = 2.5", "2.5 is no whole number"),
        ({}, "[kafka]\npartitions = true", "True is no whole number"),
        ({"MILLRACE_DIGEST_QUIET_S": "nan"}, "", "'nan' is below 0"),
        ({"MILLRACE_KAFKA_PREFIX": ""}, "", "'' is no text"),
        ({"MILLRACE_WRITER": "gpt"}, "", "is none of extractive, openai:, local:"),
        ({"MILLRACE_WRITER": "openai:"}, "", "is none of"),
        ({"MILLRACE_KAFKA_SECURITY_PROTOCOL": "ssl"}, "", "is none of PLAINTEXT, SSL"),
        ({}, "[kafka\n", "is no TOML"),
        ({"MILLRACE_SQL": "mysql://me:hunter2@db/shop"}, "", "sql.url: mysql is no database we can use; Postgres is"),
        ({"MILLRACE_SQL": "sqlite:///state.db"}, "", "or leave it empty"),
        ({"MILLRACE_SQL": "db.example/shop"}, "", "sql.url: this is no database we can use"),
        ({"MILLRACE_SQL": "postgresql:/me@db/shop"}, "", "is no database we can use"),
        ({"MILLRACE_SQL": "postgresql://me:hunter2@db:many/shop"}, "", "host and port cannot be read"),
        ({"MILLRACE_SQL": "postgresql://me:hunter2@db"}, "", "no database is named in it"),
        ({}, '[sql]\nschema_prefix = "Shop"', "'Shop' is no name of a schema"),
        ({}, '[sql]\nschema_prefix = "pg_shop"', "is no name of a schema"),
        ({}, '[sql]\nschema_prefix = "x; drop"', "is no name of a schema"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_is_right(tmp_path, environ, text, told):
    with pytest.raises(SettingsError, match=told) as refused:
        Settings.from_env(environ, write(tmp_path, text))
    assert "hunter2" not in str(refused.value)


def test_a_missing_file_is_told():
    with pytest.raises(SettingsError, match="config init"):
        Settings.from_env({"MILLRACE_CONFIG": "/nowhere/millrace.toml"})


def test_secrets_show_nowhere_but_reach_the_client():
    environ = {
        "MILLRACE_KAFKA_SASL_PASSWORD": "hunter2",
        "MILLRACE_SQL": "postgresql://me:hunter3@db/x?password=hunter4",
    }
    settings = Settings.from_env(environ)
    told = repr(settings) + str(settings) + repr(shown(settings)) + str(settings.sql.url)
    assert "hunter" not in told
    assert "db" in told
    assert settings.kafka.sasl_password.reveal() == "hunter2"


@pytest.mark.parametrize("password", ["p@ss", "a/b", "a?b", "a:b@c", "a#b"])
def test_a_password_with_any_character_is_masked_whole(password):
    assert repr(Secret(f"postgresql://me:{password}@db.example/shop")) == "postgresql://***@db.example/shop"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_postgres_is_named_as_people_name_it(scheme):
    settings = Settings.from_env({"MILLRACE_SQL": f"{scheme}://me:hunter2@db.example/shop"})
    place = StorePlace("digest", settings.home, settings.sql.url, settings.sql.schema_prefix)
    assert place.label == "db.example:5432/shop, schema millrace_digest"
    assert place.address().drivername == "postgresql+psycopg"
    assert "hunter2" not in repr(place)


def test_a_refused_secret_is_not_in_the_error(tmp_path):
    with pytest.raises(SettingsError) as refused:
        Settings.from_env({}, write(tmp_path, "[kafka]\nsasl_password = [1234567]"))
    assert "1234567" not in str(refused.value)


def test_the_default_file_sets_every_setting_to_its_default(tmp_path):
    lines = default_file().splitlines()
    active = "\n".join(line.removeprefix("# ") if " = " in line and line.startswith("# ") else line for line in lines)
    from_file = Settings.from_env({}, write(tmp_path, active))
    assert from_file == Settings()
    assert "default" not in from_file.origins.values()
    assert tomllib.loads(default_file()) == {section: {} for section in tomllib.loads(active) if section != "home"}


def test_settings_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().home = Path("x")
