from infra.settings import KafkaSettings
from streams.topics import TOPICS, declarations, topic_name


def test_every_topic_is_declared_once_under_its_published_name():
    declared = {one.name: one for one in declarations(KafkaSettings())}
    assert set(declared) == {topic_name("millrace", logical) for logical in TOPICS}
    assert declared["millrace.reviews.v1"].partitions == 8
    assert declared["millrace.reviews.v1"].retention_ms == 7 * 24 * 3_600_000


def test_a_dead_letter_has_room_for_the_largest_input_as_base64():
    declared = {one.name: one.max_message_bytes for one in declarations(KafkaSettings())}
    assert declared["millrace.dead-letters.v1"] > declared["millrace.reviews.v1"] * 4 / 3
