"""Whether answers get features, by the settings and by what is in the user's module."""

import sys

import pytest

from infra.model_settings import AnswerSettings, FeatureSettings
from infra.settings import Settings
from schemas.requests import Request
from streams.answer_features import UNREADABLE
from streams.assemblies.answer_features import build_features
from streams.unusable import Unusable
from tests.streams.fakes import Clock

ORDERS = "processors.features.examples.orders"
ASKED = Request(request_id="q", question="Where is my order?", entities={"order": "o7"})


async def given(tmp_path, module, spec):
    settings = Settings(home=tmp_path, features=FeatureSettings(module=module), answer=AnswerSettings(features=spec))
    features, _ = build_features(settings, Clock())
    return await features.give(ASKED, 60.0)


async def test_the_spec_that_is_set_is_read_from_the_store_of_featurize(tmp_path):
    told = await given(tmp_path, ORDERS, "order_status")
    assert (told.spec, told.reason) == ("order_status", UNREADABLE)


async def test_without_a_spec_nothing_is_read(tmp_path):
    assert not (await given(tmp_path, ORDERS, None)).asked


async def test_a_spec_that_the_module_does_not_have_stops_the_start(tmp_path):
    with pytest.raises(Unusable, match=r"there is no feature spec 'orders'\. There is order_status in processors"):
        await given(tmp_path, ORDERS, "orders")


async def test_a_module_that_cannot_be_loaded_leaves_answers_without_features(tmp_path, monkeypatch):
    (tmp_path / "broken_features.py").write_text("1 / 0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    told = await given(tmp_path, "broken_features", "order_status")
    assert told.reason.startswith("there is no feature spec 'order_status': ")
    assert "broken_features.py:1: ZeroDivisionError" in told.reason


async def test_without_a_module_a_spec_that_is_set_is_told_to_be_missing(tmp_path):
    told = await given(tmp_path, None, "order_status")
    assert told.reason == "there is no feature spec 'order_status': no module of feature definitions is named"
