"""In the model's process: free text by continuous batching; rows come and go while others are being said."""

import queue
import threading
from collections.abc import Callable
from typing import Any

from models.local.limits import BLOCK_TOKENS
from models.local.loaded_model import LoadedModel
from models.local.wire import Event, Failed, Piece, Row, Said

READ_TOKENS = {"cpu": 256, "cuda": 2_048}  # of one step: its mask is as long as the cache


class ContinuousFellError(RuntimeError):
    """The library's thread is no more; so is this process."""


class Continuous:
    """A round of continuous batching at a time, all rows of one adapter.

    Always takes the likeliest token: the library draws without seeds.

    Args:
        loaded: The model.
        cache_blocks: Blocks of its cache.
        adapters: Whether adapters may come: then nothing of one round's cache may serve the next.
        say: Tells the owner.
        inbox: Where what the library says is put, for ``hear``.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        cache_blocks: int,
        adapters: bool,
        say: Callable[[Event], None],
        inbox: "queue.SimpleQueue[Any]",
    ) -> None:
        from transformers import ContinuousBatchingConfig, GenerationConfig

        self._loaded, self._say, self._inbox = loaded, say, inbox
        settings = GenerationConfig(
            do_sample=False, eos_token_id=sorted(loaded.stops) or -1, pad_token_id=loaded.padding, max_new_tokens=1
        )
        sizes = ContinuousBatchingConfig(
            block_size=BLOCK_TOKENS,
            num_blocks=cache_blocks,
            max_batch_tokens=min(READ_TOKENS[loaded.device], cache_blocks * BLOCK_TOKENS),
            allow_block_sharing=not adapters,
            use_cuda_graph=False if adapters else None,
        )
        self._manager = loaded.model.init_continuous_batching(settings, sizes)
        self._manager.start()
        self._rows: dict[str, Row] = {}
        self._told: dict[str, int] = {}
        self._cancelled = False
        self._fences = 0
        self._fence: str | None = None  # whose end says that all before it is forgotten
        threading.Thread(target=self._pump, daemon=True).start()

    def begin(self) -> None:
        """Take the model; nothing else may use it until the round is over."""
        self._manager.switch_to_cb_friendly_attn(self._loaded.model)

    def add(self, row: Row) -> None:
        """Take one more row."""
        name = str(row.number)
        self._rows[name] = row
        self._told[name] = 0
        self._manager.add_request(row.tokens, name, max_new_tokens=row.max_tokens, streaming=True)

    def cancel(self, number: int) -> bool:
        """Stop a row, which ends with what it has said; says whether it is in this round."""
        name = str(number)
        if name not in self._rows:
            return False
        self._manager.cancel_request(name)
        self._cancelled = True
        self._forget(name)
        self._say(Said(number, [], ended=False))
        return True

    @property
    def empty(self) -> bool:
        """Whether no row is left."""
        return not self._rows

    def hear(self, output: Any) -> None:
        """Take what the library says of one row.

        Raises:
            ContinuousFellError: If its thread has ended.
        """
        if output is None:
            reason = self._manager.background_thread_status.fatal_error
            raise ContinuousFellError(f"continuous batching ended: {reason}")
        if output.request_id == self._fence and output.is_finished():
            self._fence = None
        row = self._rows.get(output.request_id)
        if row is None:
            return  # cancelled
        if output.error is not None:
            self._forget(output.request_id)
            self._say(Failed(row.number, f"continuous batching: {output.error}", retryable=True))
            return
        self._hear_tokens(row, output)

    def end(self) -> bool:
        """Leave the model to others; says whether it could: after a cancelled row only when the library forgot it."""
        if self._cancelled:
            self._cancelled = False
            self._fences += 1
            self._fence = f"fence {self._fences}"
            self._manager.add_request([self._loaded.padding], self._fence, max_new_tokens=1)
        if self._fence is None:
            self._loaded.use_plain_attention()
        return self._fence is None

    def close(self) -> None:
        """End the library's thread."""
        self._manager.stop(block=True, hard_stop=True)

    def _hear_tokens(self, row: Row, output: Any) -> None:
        name = output.request_id
        said = [token for token in output.generated_tokens if token not in self._loaded.stops]
        new = said[self._told[name] :]
        if row.streamed and new:
            self._say(Piece(row.number, new))
        self._told[name] = len(said)
        if output.is_finished():
            self._forget(name)
            self._say(Said(row.number, said, ended=len(said) < len(output.generated_tokens)))

    def _forget(self, name: str) -> None:
        del self._rows[name], self._told[name]

    def _pump(self) -> None:
        """Carry what the library says into the inbox, its end too."""
        while self._manager.is_running():
            output = self._manager.get_result(timeout=1.0)
            if output is not None:
                self._inbox.put(output)
            elif self._manager.background_thread_status.fatal_error is not None:
                break
        self._inbox.put(None)
