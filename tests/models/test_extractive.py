import asyncio
import threading
from collections.abc import Sequence

from models.extractive import ExtractiveWriter
from models.ports import Vectors, Writer, WriteRequest, Written
from tests.processors.fake_encoder import encode
from tests.processors.readings import band, point, reading


class WaitingEncoder:
    """Encodes only after the event loop has said so."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.may_go = threading.Event()

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.asked.set()
        assert self.may_go.wait(10)
        return encode(texts)


REQUEST = WriteRequest("p", reading(band(3, [point("The fabric is soft", 3)])))


async def test_texts_come_back_one_a_request_in_order():
    class Table:
        encode = staticmethod(encode)

    writer: Writer = ExtractiveWriter(Table(), "table-1")
    assert await writer.write([REQUEST, WriteRequest("q", reading())]) == [Written("The fabric is soft."), Written("")]
    assert (writer.engine, writer.model, writer.refreshes) == ("extractive", "table-1", True)


async def test_the_event_loop_stays_free_while_it_writes():
    encoder = WaitingEncoder()
    call = asyncio.create_task(ExtractiveWriter(encoder, "table-1").write([REQUEST]))
    while not encoder.asked.is_set():  # would never be seen were the loop busy composing
        await asyncio.sleep(0.01)
    encoder.may_go.set()
    assert await call == [Written("The fabric is soft.")]
