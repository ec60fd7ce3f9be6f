"""The process feature functions run in: ``python -P -m streams.functions.child DESCRIPTOR MODULE``.

It ends when its owner does, even in the middle of a function. What functions print goes to stderr.
"""

import os
import select
import signal
import socket
import sys
import threading

from infra.model_settings import FeatureSettings
from infra.settings import Settings
from processors.features.serving.calling import CallsHere
from processors.features.serving.ports import Call, Made
from streams.features.module import load_features
from streams.functions.frames import Asked, Channel, PeerGone, Standing, Told
from streams.unusable import Unusable


def main(descriptor: int, module: str) -> None:
    """Load a module, then make calls until the owner closes its end.

    Args:
        descriptor: Of our end of the socket.
        module: The user's.
    """
    os.set_inheritable(descriptor, False)  # a function's own child processes get none of it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = socket.socket(fileno=descriptor)
    threading.Thread(target=_end_with, args=(end,), daemon=True).start()
    owner = Channel(end)
    calls = _load(owner, module)
    while calls is not None:
        for asked in owner.receive(list[Asked]):
            result = calls.call([Call(asked.spec, asked.output, asked.arguments)])[0]
            if isinstance(result, Made):
                owner.send(Told(result.value))
            else:
                owner.send(Told(None, (result.kind, result.title, result.detail)))


def _load(owner: Channel, module: str) -> CallsHere | None:
    try:
        loaded = load_features(Settings(features=FeatureSettings(module=module)))
    except Unusable as error:
        owner.send(Standing(f"{error.message}. {error.remedy}"))
        return None
    owner.send(Standing(None))
    return CallsHere(loaded.specs.values())


def _end_with(end: socket.socket) -> None:
    """Wait until the owner is gone, whatever a function is doing meanwhile."""
    poll = select.poll()
    poll.register(end, 0)  # a hang-up is told without asking
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), sys.argv[2])
    except PeerGone:
        sys.exit(0)
