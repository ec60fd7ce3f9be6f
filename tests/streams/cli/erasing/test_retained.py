import msgspec
import pytest

from infra.retention import TopicRetention
from processors.language.wording import Wording
from streams.cli.erasing.retained import Copies, Retained, find_outputs, find_versions, judge_retention
from streams.cli.erasing.sought import Sought
from tests.streams.cli.fake_logs import DAY_MS, Logs, record
from tests.streams.cli.samples import letter

TEXT = "The sole caught fire in Zanzibar."
SOUGHT = Sought("p", "r1", wording=Wording([TEXT]))
EIGHT_DAYS_S = 8 * 86_400


def review(review_id: str = "r1", text: str | None = TEXT, product_id: str = "p", **changed: object) -> dict:
    return {"product_id": product_id, "review_id": review_id, "text": text, **changed}


def test_every_version_counts_wherever_its_client_put_it_and_deletions_do_not():
    logs = Logs(
        reviews=[
            record(0, review(text="Old words of it.")),
            record(1, review("r2")),
            record(5, review(), key=b"a client's own key", partition=3),
            record(6, review(), key=None, partition=1),
            record(7, review(product_id="q"), key=b"q"),
            record(8, b"\xff", key=b"p"),
            record(9, review(text=None, op="delete", revision=1)),
        ]
    )
    copies, texts = find_versions(logs, SOUGHT)
    assert copies == Copies(True, {0, 1, 3}, 3, 1_006.0)
    assert texts == ["Old words of it.", TEXT, TEXT]
    assert logs.asked == [("reviews", None)]


def test_outputs_count_that_quote_it_or_say_its_words_and_only_its_products_partition_is_read():
    quoted = {"bands": {"negative": [{"review_id": "r1", "quote": "caught fire"}]}}
    logs = Logs(
        summaries=[
            record(0, quoted),
            record(1, {"text": f"Some say: {TEXT}"}),
            record(2, {"forgotten": {"newest": ["r1"]}}),
            record(3, quoted, key=b"q"),
        ]
    )
    assert find_outputs(logs, "summaries", SOUGHT) == Copies(True, {0}, 2, 1_001.0)
    assert logs.asked == [("summaries", b"p")]


def test_dead_letters_of_any_key_are_read():
    carrying, other = letter(payload=msgspec.json.encode(review())), letter(payload=b"{}")
    logs = Logs(dead_letters=[record(0, carrying, key=None), record(1, other)])
    assert find_outputs(logs, "dead-letters", SOUGHT) == Copies(True, {0}, 1, 1_000.0)
    assert logs.asked == [("dead-letters", None)]


def test_what_holds_it_is_told_until_its_newest_record_has_expired():
    found = {"reviews": Copies(True, {3, 1}, 2, 1_005.0), "points": Copies(), "summaries": Copies(True, {0}, 1, 900.0)}
    assert judge_retention(Logs(), found, now=9_999.0) == [
        Retained("millrace.reviews.v1", (1, 3), 2, 1_005.0 + EIGHT_DAYS_S),
        Retained("millrace.summaries.v1", (0,), 1, 900.0 + EIGHT_DAYS_S),
    ]


def test_a_topic_that_could_not_be_read_to_its_end_is_told_from_now_on():
    logs = Logs(reviews=[record(0, review()), record(1, review())], points=[record(0, {})], ends=1)
    versions, texts = find_versions(logs, SOUGHT)
    assert texts == [TEXT]
    found = {"reviews": versions, "points": find_outputs(Logs(points=[record(0, {})], ends=0), "points", SOUGHT)}
    assert judge_retention(logs, found, now=9_999.0) == [
        Retained("millrace.reviews.v1", None, None, 9_999.0 + EIGHT_DAYS_S),
        Retained("millrace.points.v1", None, None, 9_999.0 + EIGHT_DAYS_S),
    ]


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        (TopicRetention(None, DAY_MS, None, True, True), "it keeps records for ever"),
        (TopicRetention(None, DAY_MS, 5_000, True, True), "until its partition holds 5,000 newer bytes"),
        (TopicRetention(DAY_MS, DAY_MS, None, False, True), "it is compacted"),
        (TopicRetention(DAY_MS, DAY_MS, None, True, False), "its producers say how old a record is"),
    ],
)
def test_without_a_known_end_the_reason_is_told(kept, why):
    (told,) = judge_retention(Logs(kept), {"reviews": Copies(True, {0}, 1, 1_000.0)}, now=9_999.0)
    assert told.until is None
    assert (told.unbounded or "").startswith(why)


def test_topics_that_hold_nothing_are_not_asked_about():
    assert judge_retention(Logs(), {"reviews": Copies()}, now=0.0) == []
