"""The parts of ``millrace bench features`` that measure: that they measure what they say."""

import threading

import pytest

from infra.places import StorePlace
from processors.features.serving.ports import Lookup
from streams.features.reading import FeatureReader
from tests.bench import feature_growth, feature_served
from tests.bench.clients import Waited, ask
from tests.bench.feature_busy import WINDOWS, busy
from tests.bench.feature_growth import growth
from tests.bench.feature_shelf import fill
from tests.bench.feature_stream import invented_sales


def test_clients_ask_side_by_side_each_with_numbers_of_its_own():
    asked, threads = [], set()

    def make():
        def call(number):
            asked.append(number)
            threads.add(threading.get_ident())

        return call

    waited = ask(make, clients=3, seconds=0.05)
    warm_up = 3
    assert len(waited.seconds) == len(asked) - warm_up
    assert len(threads) == 3
    assert len(set(asked[warm_up:])) == len(asked) - warm_up
    assert waited.per_s > 0


def test_a_call_that_was_due_while_the_one_before_lasted_has_waited_since_then():
    gate, calls = threading.Event(), []

    def call(number):
        calls.append(number)
        if len(calls) == 2:  # the first one that is timed
            gate.wait(0.3)

    waited = ask(lambda: call, clients=1, seconds=0.4, per_s=100.0)
    assert sum(one > 0.02 for one in waited.seconds) > 5


def test_a_call_that_fails_ends_the_measurement():
    def refused(number):
        raise ConnectionRefusedError(number)

    with pytest.raises(ConnectionRefusedError):
        ask(lambda: refused, clients=2, seconds=60.0)


def test_percentiles_are_told_in_milliseconds():
    waited = Waited([number / 1000 for number in range(101)], 2.0)
    assert (waited.ms(50), waited.ms(99), waited.per_s) == (50.0, 99.0, 50.5)


def test_what_is_read_are_rows_of_fifty_features_of_keys_that_are_there(tmp_path):
    assert fill(tmp_path, [feature_served.wide], 7) > 7 * 100
    (found,) = FeatureReader(StorePlace("featurize", tmp_path)).read([Lookup("wide", "customer6")])
    assert (len(found.values), found.missing, found.values["sales_7d"]) == (50, False, 20)


def test_the_busy_table_has_twenty_aggregations_over_four_windows():
    assert (len(busy.aggregations), len(WINDOWS), len(busy.shape.features)) == (20, 4, 80)


def test_invented_sales_come_again_alike_with_corrections_among_them():
    one, other = (invented_sales(300, seed=3, spread_s=60.0, corrected=0.3) for _ in range(2))
    assert [sale.values for sale in one] == [sale.values for sale in other]
    assert {"upsert", "delete"} == {sale.op for sale in one}
    assert len({sale.event_id for sale in one}) < 290
    assert len({(sale.event_id, sale.revision) for sale in one}) < 300


def test_after_thirty_days_a_store_is_as_large_as_after_fifteen():
    assert 0.8 < growth(keys=3, per_key=2)["growth_ratio_30_to_15"] < 1.2


def test_a_store_that_lets_nothing_go_grows(monkeypatch):
    monkeypatch.setattr(feature_growth.Worker, "keep", lambda self: None)
    assert growth(keys=3, per_key=2)["growth_ratio_30_to_15"] > 1.3
