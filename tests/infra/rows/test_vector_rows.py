import numpy as np
import sqlalchemy as sa

from infra.rows.chunk_rows import ChunkRow, put_chunks, remove_chunks
from infra.rows.vector_rows import find_vectors, follow_texts, keep_vectors, remove_orphans, unmarked_orphans
from schemas.index_tables import vectors

ONE, TWO = np.array([0.6, -0.8], np.float32), np.array([1.0, 0.0], np.float32)


def chunk(number: int, text_hash: str) -> ChunkRow:
    return ChunkRow(number, "/d", f"c{number}", number, "", "text", text_hash, 1)


def orphans(connection) -> dict[str, float | None]:
    query = sa.select(vectors.c.text_hash, vectors.c.orphaned_at).order_by(vectors.c.text_hash)
    return dict(connection.execute(query).all())


def test_vectors_come_back_to_the_last_bit_and_only_for_their_model(store):
    with store.write() as connection:
        put_chunks(connection, [chunk(1, "a"), chunk(2, "b")])
        keep_vectors(connection, "m", {"a": ONE, "b": TWO})
        keep_vectors(connection, "m", {"a": TWO})  # the first one stays
        found = find_vectors(connection, "m", ["a", "b", "c"])
        assert {name: vector.tobytes() for name, vector in found.items()} == {"a": ONE.tobytes(), "b": TWO.tobytes()}
        assert find_vectors(connection, "n", ["a"]) == {}


def test_a_vector_of_a_text_no_chunk_has_is_not_kept(store):
    with store.write() as connection:
        put_chunks(connection, [chunk(1, "a")])
        keep_vectors(connection, "m", {"a": ONE, "gone": TWO})
        assert orphans(connection) == {"a": None}


def test_vectors_follow_their_texts_and_go_when_nobody_has_used_them_for_long(store):
    with store.write() as connection:
        put_chunks(connection, [chunk(1, "a"), chunk(2, "b"), chunk(3, "b")])
        keep_vectors(connection, "m", {"a": ONE, "b": TWO})
        remove_chunks(connection, [1, 2])
        follow_texts(connection, ["a", "b"], [], 10.0)
        assert orphans(connection) == {"a": 10.0, "b": None}
        follow_texts(connection, ["a"], [], 20.0)
        assert orphans(connection)["a"] == 10.0
        assert remove_orphans(connection, 10.0, 100) == 0
        put_chunks(connection, [chunk(4, "a")])
        follow_texts(connection, [], ["a"], 30.0)
        assert orphans(connection) == {"a": None, "b": None}
        remove_chunks(connection, [4])
        assert unmarked_orphans(connection, 100) == ["a"]
        follow_texts(connection, ["a"], [], 40.0)
        assert remove_orphans(connection, 41.0, 100) == 1
        assert orphans(connection) == {"b": None}


def test_a_marked_vector_that_is_used_after_all_stays(store):
    with store.write() as connection:
        put_chunks(connection, [chunk(1, "a")])
        keep_vectors(connection, "m", {"a": ONE})
        connection.execute(vectors.update().values(orphaned_at=1.0))
        assert remove_orphans(connection, 100.0, 100) == 0
