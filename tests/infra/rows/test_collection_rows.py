import pytest

from infra.rows import collection_rows, placement_rows
from infra.rows.chunk_rows import ChunkRow, put_chunks
from infra.rows.collection_rows import BUILDING, RETIRED, SERVING, CollectionMismatch, CollectionRow


def begin(store, model: str = "m/1", chunking: str = "c/1", now: float = 1.0) -> None:
    store.change(lambda connection: collection_rows.begin(connection, "my-shop", model, chunking, now))


def listed(store, *states: str) -> list[CollectionRow]:
    with store.read() as connection:
        return collection_rows.list_collections(connection, states or (SERVING, BUILDING))


def add(store, model: str, now: float) -> str:
    return store.change(lambda connection: collection_rows.add(connection, "my-shop", model, "c/1", BUILDING, now))


def test_the_first_start_makes_a_collection_that_serves_and_the_next_ones_use_it(store, second_store):
    begin(store)
    begin(second_store, now=2.0)
    (one,) = listed(store)
    assert (one.model, one.chunking, one.state, one.created_at) == ("m/1", "c/1", SERVING, 1.0)
    assert one.name.startswith("my_shop_chunks_")
    with store.read() as connection:
        assert collection_rows.serving(connection) == one


@pytest.mark.parametrize(("model", "chunking"), [("m/2", "c/1"), ("m/1", "c/2")])
def test_another_model_or_another_way_to_cut_is_refused_with_the_remedy(store, model, chunking):
    begin(store)
    with pytest.raises(CollectionMismatch, match=f"{model}, cut {chunking}.*`millrace index rebuild`"):
        begin(store, model, chunking)
    assert len(listed(store)) == 1


def test_a_model_whose_collection_is_being_built_may_go_on(store):
    begin(store)
    add(store, "m/2", 2.0)
    begin(store, "m/2")
    assert [one.state for one in listed(store)] == [SERVING, BUILDING]


def test_a_switch_retires_what_served_and_no_name_comes_back(store):
    begin(store)
    (before,) = listed(store)
    name = add(store, "m/1", 2.0)
    assert store.change(lambda connection: collection_rows.switch(connection, name)) == [before.name]
    assert [one.name for one in listed(store)] == [name]
    assert [one.name for one in listed(store, RETIRED)] == [before.name]
    assert add(store, "m/1", 3.0) not in (name, before.name)


def test_chunks_that_a_new_collection_lacks_are_counted_and_placed(store):
    begin(store)
    chunks = [ChunkRow(number, "/d", f"c{number}", number, "", "text", f"h{number}", 1) for number in range(1, 4)]
    with store.write() as connection:
        put_chunks(connection, chunks)
        placement_rows.place(connection, ["new"], [(1, "/d")])
        placement_rows.confirm(connection, [("new", 1)])
        placement_rows.place(connection, ["other"], [(2, "/d")])
        assert placement_rows.count_missing(connection, "new") == 2
        placement_rows.place_missing(connection, "new")
        placed = placement_rows.load_placements(connection, ["new"], ["/d"])["/d"]
        assert [(one.row_id, one.confirmed) for one in placed] == [(1, True), (2, False), (3, False)]
        placement_rows.confirm(connection, [("new", 2), ("new", 3)])
        assert placement_rows.count_missing(connection, "new") == 0
