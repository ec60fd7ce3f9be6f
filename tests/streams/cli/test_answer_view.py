import msgspec
import pytest
from rich.cells import cell_len

from schemas.answers import Answer, Citation, FeatureSource
from schemas.summaries import WriterStamp
from streams.answer_records import WITHDRAWN
from streams.answering import LATE
from streams.cli.answer_view import answer_lines
from tests.streams.cli.samples import HOSTILE

CITED = Citation(document_id="broker.md", chunk_id="c", quote="It listens on port 9092.", score=0.9, title="The broker")
ANSWER = Answer(
    request_id="q",
    revision=1,
    op="upsert",
    text='"It listens on port 9092." [1]',
    citations=[CITED],
    features={},
    abstained=False,
    reason=None,
    confidence=0.84,
    writer=WriterStamp(engine="extractive", model="m", prompt_version="v", ledger_key="k"),
    sources={},
    timings_ms={"total": 1234.5},
)
SILENT = msgspec.structs.replace(
    ANSWER, text=None, citations=[], abstained=True, reason="nothing was found", confidence=None, writer=None
)


def shown(answer: Answer, width: int = 80) -> list[str]:
    return [line.plain for line in answer_lines(answer, width)]


def test_an_answer_is_followed_by_its_numbered_sources_and_how_sure_it_is():
    assert shown(ANSWER) == [
        '  "It listens on port 9092." [1]',
        "",
        "  [1] The broker",
        '      "It listens on port 9092."',
        "      broker.md",
        "",
        "  very likely right (84 %) · 1,234 ms · extractive",
    ]


@pytest.mark.parametrize(
    ("reason", "revision", "told"),
    [
        ("nothing was found", 1, "  The documents do not answer this: nothing was found."),
        (LATE, 1, "  There is no answer: too late: the deadline was over before anything could be"),
        (WITHDRAWN, 2, "  There is no answer: withdrawn: a source it cited was deleted, edited or hidden"),
    ],
)
def test_where_nothing_is_said_it_is_told_why(reason, revision, told):
    assert shown(msgspec.structs.replace(SILENT, reason=reason, revision=revision))[0] == told


def test_what_was_missing_all_the_same_is_told_below():
    assert "words only" in shown(msgspec.structs.replace(ANSWER, reason="words only"))[-1]


def test_a_review_is_named_with_its_product_and_a_source_with_its_link():
    review = msgspec.structs.replace(CITED, kind="review", title=None, document_id="r1", product_id="P")
    linked = msgspec.structs.replace(CITED, uri="https://example.org/broker")
    lines = shown(msgspec.structs.replace(ANSWER, citations=[review, linked]))
    assert (lines[2], lines[4], lines[8]) == (
        "  [1] Review",
        "      product P · r1",
        "      broker.md · https://example.org/broker",
    )


@pytest.mark.parametrize("width", [40, 80, 200])
def test_whatever_a_source_holds_no_line_is_wider_and_none_escapes(width):
    long = "手机" * 200 + " " + "x" * 300
    hostile = msgspec.structs.replace(CITED, document_id=HOSTILE, quote=long, title=HOSTILE + long, uri=HOSTILE)
    answer = msgspec.structs.replace(ANSWER, text=HOSTILE + long, citations=[hostile], reason=HOSTILE)
    for line in [*shown(answer, width), *shown(msgspec.structs.replace(SILENT, reason=HOSTILE + long), width)]:
        assert cell_len(line) <= min(width, 80)
        assert "\x1b" not in line
        assert "\u202e" not in line


def row(table, key, names, **changed):
    told = {"version": "v", "as_of": "2026-11-22T02:00:00.000000Z", "age_s": 7_300.0, "missing": False, **changed}
    return FeatureSource(table=table, key=key, features=names, **told)


STATED = msgspec.structs.replace(
    ANSWER,
    text='"Your order left Leipzig 2 hours ago." [F1] "It listens on port 9092." [1]',
    feature_spec="order_status",
    features={"last_city": "Leipzig", "courier": None, "parcels": 1_200.0, "spent": 0, "late": True},
    feature_sources=[
        row("order_scans", "77", ["last_city", "courier", "parcels"]),
        row("couriers", "x", ["courier", "parcels"], age_s=3.2),
        row("customers", None, ["spent"], as_of=None, age_s=None, missing=True),
    ],
)


def test_features_that_are_cited_are_shown_with_their_rows_and_ages():
    assert shown(STATED)[6:-2] == [
        "  [F1] order_status",
        "       late yes",
        "       last_city Leipzig · parcels 1,200",
        "       order_scans 77 · 2 h ago",
        "       couriers x · 3 s ago",
        "       customers - · nothing is known",
    ]
    assert not any("order_scans" in line for line in shown(msgspec.structs.replace(STATED, text=ANSWER.text)))


def test_why_there_are_no_features_is_told_below():
    told = " ".join(shown(msgspec.structs.replace(ANSWER, features_reason="order_id: missing"))[-2:])
    assert "without features: order_id:" in told


def test_features_from_strangers_change_nothing_but_the_words_shown():
    hostile = msgspec.structs.replace(
        STATED,
        features={"last_city": HOSTILE},
        feature_sources=[row(HOSTILE, HOSTILE, ["last_city"])],
        feature_spec=HOSTILE,
    )
    for width in (40, 80):
        assert all(cell_len(line) <= width and line.isprintable() for line in shown(hostile, width))
