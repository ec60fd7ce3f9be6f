import dataclasses

import pytest

from infra.fences import Moved
from infra.rows.document_rows import (
    Access,
    DocumentRow,
    hold_document,
    known_documents,
    labels_of_documents,
    mark_indexed,
    put_access,
    write_documents,
)

ROW = DocumentRow(
    document_key="/d",
    document_id="d",
    tenant=None,
    revision=3,
    version=1,
    op="upsert",
    title="T",
    uri=None,
    text="Text.",
    principals=b'["public"]',
    metadata=b"{}",
    changed_at=1.0,
    indexed_version=0,
    sources=b"{}",
)


def test_a_document_comes_back_as_it_was_written_and_unknown_ones_are_absent(store):
    with store.write() as connection:
        write_documents(connection, [(ROW, 0)])
        assert known_documents(connection, ["/d", "/e"]) == {"/d": ROW}
        assert (hold_document(connection, "/d"), hold_document(connection, "/e")) == (ROW, None)


@pytest.mark.parametrize("expected", [0, 2])
def test_a_document_that_another_worker_changed_is_decided_again(store, expected):
    with store.write() as connection:
        write_documents(connection, [(ROW, 0)])
    newer, other = dataclasses.replace(ROW, version=expected + 1), dataclasses.replace(ROW, document_key="/e")
    with pytest.raises(Moved), store.write() as connection:
        write_documents(connection, [(other, 0), (newer, expected)])
    with store.read() as connection:
        assert known_documents(connection, ["/d", "/e"]) == {"/d": ROW}


def test_of_which_version_vectors_stand_never_goes_back_and_no_event_changes_it(store):
    with store.write() as connection:
        write_documents(connection, [(ROW, 0)])
        mark_indexed(connection, "/d", 5)
        mark_indexed(connection, "/d", 4)
        write_documents(connection, [(dataclasses.replace(ROW, version=2), 1)])
        assert known_documents(connection, ["/d"])["/d"].indexed_version == 5


def test_access_takes_the_place_of_what_was_and_leaves_other_documents_alone(store):
    with store.write() as connection:
        put_access(connection, [Access("/d", ("a", "b"), ("x=1",)), Access("/e", ("a",), ("y=1",))])
        put_access(connection, [Access("/d", ("c",), ("z=1", "w=1"))])
        assert labels_of_documents(connection, ["/d", "/e", "/f"]) == {"/d": ("w=1", "z=1"), "/e": ("y=1",), "/f": ()}
