import pytest

from infra.settings import Settings
from infra.settings_prints import differing, print_settings

KEY = "sk-a-secret-key"
OURS = {"MILLRACE_WRITER": "openai:m", "MILLRACE_WRITER_API_KEY": KEY}


@pytest.mark.parametrize(
    ("environ", "others"),
    [
        (OURS, []),
        (OURS | {"MILLRACE_WRITER": "openai:n"}, ["writer"]),
        (OURS | {"MILLRACE_WRITER_API_KEY": "sk-another"}, ["writer"]),
        ({"MILLRACE_WRITER": "openai:m"}, ["writer"]),
        (OURS | {"MILLRACE_SQL": "postgresql://me:pw@db/shop", "MILLRACE_DIGEST_QUIET_S": "1"}, ["sql", "digest"]),
        (OURS | {"MILLRACE_HOME": "/elsewhere", "MILLRACE_JARS": "/jars", "MILLRACE_KAFKA_PARTITIONS": "3"}, []),
        (OURS | {"MILLRACE_KAFKA_LOCAL_PORT": "1234"}, ["kafka"]),
    ],
)
def test_sections_that_differ_are_named_and_what_is_of_no_worker_does_not_count(environ, others):
    assert differing(print_settings(Settings.from_env(OURS)), Settings.from_env(environ)) == others


def test_a_print_holds_neither_a_secret_nor_anything_long_enough_to_know_it_by():
    printed = print_settings(Settings.from_env(OURS))
    assert KEY not in repr(printed)
    assert len(printed.sections["writer"]) == 4
    assert printed.sections["writer"] != print_settings(Settings.from_env(OURS), "another salt").sections["writer"]


def test_a_section_the_other_version_does_not_know_does_not_differ():
    printed = print_settings(Settings())
    del printed.sections["log"]
    printed.sections["of_tomorrow"] = "0000"
    assert differing(printed, Settings()) == []
