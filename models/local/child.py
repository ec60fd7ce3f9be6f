"""``python -m models.local.child``: the process a local model runs in.

Orders come by standard input, one JSON object a line, the first says what to load; what it says goes to what was
standard output when it started. Whatever libraries print goes to standard error. It ends when its input does.
"""

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from models.local.folder import LocalModelError
from models.local.wire import Broken, Event, Open, Ready, line, read_order


def main() -> int:
    """Load and work until the input ends; returns an exit status only if the model cannot be loaded."""
    say = _speaker(os.fdopen(_keep_output(), "wb", buffering=0))
    orders = sys.stdin.buffer
    opening = read_order(orders.readline())
    if not isinstance(opening, Open):
        raise SystemExit("the first line must say what to open")
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(orders, inbox), daemon=True).start()
    try:
        from models.local.loaded_model import LoadedModel

        loaded = LoadedModel(Path(opening.folder), opening.device)
    except LocalModelError as error:
        say(Broken(str(error)))
        return 1
    from models.local.turns import Turns

    turns = Turns(loaded, opening, inbox, say)
    say(Ready(loaded.device, loaded.versions))
    try:
        turns.run()
    except Exception:  # noqa: BLE001 - told and passed on: the library's thread would keep a dead process alive
        traceback.print_exc()
    os._exit(1)


def _keep_output() -> int:
    """Return a handle of standard output, and point the name at standard error for everybody else."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return ours


def _speaker(output: BinaryIO) -> Callable[[Event], None]:
    lock = threading.Lock()

    def say(event: Event) -> None:
        with lock:
            output.write(line(event))

    return say


def _listen(orders: BinaryIO, inbox: "queue.SimpleQueue[Any]") -> None:
    """Carry orders into the inbox; without an owner there is nothing left to do, whatever the model is at."""
    for text in orders:
        inbox.put(read_order(text))
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
