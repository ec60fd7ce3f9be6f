"""Processes for feature functions, shared by all who ask at the same time."""

import queue
from collections.abc import Sequence

from processors.features.serving.ports import Call, Failed, Made
from streams.functions.function_process import FunctionProcess

PROCESSES = 2


class FunctionPool:
    """Calls feature functions from any thread; each request gets a process of its own while it lasts.

    Args:
        module: The user's, as ``shop.features``.
        limit_s: Longest time a call may take, seconds.
        count: Of processes.
    """

    def __init__(self, module: str, limit_s: float, count: int = PROCESSES) -> None:
        self._all = [FunctionProcess(module, limit_s) for _ in range(count)]
        self._idle: queue.LifoQueue[FunctionProcess] = queue.LifoQueue()  # the last one used has the warmest caches
        for one in self._all:
            self._idle.put(one)

    def start(self) -> None:
        """Start a process, so that the first request need not wait; the others start when they are needed.

        Raises:
            streams.functions.function_process.FunctionsUnusable: If the user's module cannot be loaded.
        """
        one = self._idle.get()
        try:
            one.start()
        finally:
            self._idle.put(one)

    def call(self, calls: Sequence[Call]) -> list[Made | Failed]:
        """Make calls; returns one result for each, in their order. Waits while all processes are busy.

        Raises:
            streams.functions.function_process.FunctionsUnusable: If no process can be started.
        """
        if not calls:
            return []
        one = self._idle.get()
        try:
            return one.call(calls)
        finally:
            self._idle.put(one)

    def close(self) -> None:
        """End all processes; call it when nobody asks any more."""
        for one in self._all:
            one.close()
