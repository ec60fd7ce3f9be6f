from hypothesis import given
from hypothesis import strategies as st

from processors.documents.identity import (
    LABEL_LENGTH,
    LABELS,
    chunk_id,
    embedded_text,
    hash63,
    labels_of,
    row_id,
    tenant_hash,
    text_hash,
)

FLAT = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300)
METADATA = st.dictionaries(st.text(max_size=20), FLAT | st.lists(FLAT, max_size=5) | st.dictionaries(st.text(), FLAT))


@given(st.text(alphabet=st.characters()))
def test_a_hash_fits_a_signed_column_and_is_never_zero(text):
    assert 0 < hash63(text) < 2**63


def test_the_tenant_of_nobody_is_no_tenants():
    assert tenant_hash(None) not in {tenant_hash("None"), tenant_hash("null"), tenant_hash(" ")}


def test_a_row_comes_back_under_another_id_after_every_change_that_binds():
    told = {
        row_id("/a", "c", ["x"], ["l=1"], 1),
        row_id("/b", "c", ["x"], ["l=1"], 1),
        row_id("/a", "d", ["x"], ["l=1"], 1),
        row_id("/a", "c", ["x", "y"], ["l=1"], 1),
        row_id("/a", "c", ["x"], ["l=2"], 1),
        row_id("/a", "c", ["x"], ["l=1"], 2),
        row_id("/a", "c", ["x", "l=1"], [], 1),
    }
    assert len(told) == 7


def test_chunks_of_the_same_text_differ_by_document_and_occurrence():
    key = text_hash("same")
    assert len({chunk_id("/a", key, 0), chunk_id("/a", key, 1), chunk_id("/b", key, 0)}) == 3


def test_the_title_stands_once_above_what_is_embedded():
    assert embedded_text("Guide", "Guide > Install", "Run.") == "Guide > Install\nRun."
    assert embedded_text("guide", "Guide > Install", "Run.") == "Guide > Install\nRun."
    assert embedded_text("App", "Apple > Install", "Run.") == "App > Apple > Install\nRun."
    assert embedded_text(None, "", "Run.") == "Run."
    assert embedded_text("Guide", "", "Run.") == "Guide\nRun."


def test_of_a_long_breadcrumb_the_innermost_headings_are_embedded():
    crumbs = [f"{level} " + "heading " * 12 for level in range(6)]
    head = embedded_text("Title", " > ".join(crumbs), "Run.").split("\n")[0]
    assert head.endswith(crumbs[-1])
    assert "Title" not in head
    assert len(head) <= 240


@given(METADATA)
def test_labels_are_few_short_sorted_and_the_same_again(metadata):
    labels = labels_of(metadata)
    assert labels == labels_of(dict(reversed(metadata.items())))
    assert list(labels) == sorted(set(labels))
    assert len(labels) <= LABELS
    assert all(len(label) <= LABEL_LENGTH and "=" in label and "\x00" not in label for label in labels)


def test_a_number_reads_the_same_whether_it_was_written_with_a_point():
    assert labels_of({"rank": 2}) == labels_of({"rank": 2.0}) == ("rank=2",)
    assert labels_of({"rank": 0.1, "huge": 10**30}) == ("rank=0.1",)


def test_what_is_nested_null_or_too_long_is_no_label():
    assert labels_of({"a": {"b": 1}, "c": [["d"]], "e": None, "f": "x" * 199, "g": ["y", {"h": 1}]}) == ("g=y",)
