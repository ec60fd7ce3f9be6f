"""How commands end."""

from enum import IntEnum

from infra.errors import InfraError


class Exit(IntEnum):
    """Exit codes; scripts rely on them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    REJECTED = 3  # done, but some input was not taken
    TIMED_OUT = 4
    NOT_FOUND = 5
    INTERRUPTED = 130


class CommandError(InfraError):
    """A command that cannot do what was asked.

    Args:
        message: What happened and where, one line.
        remedy: What to do, one line.
        code: The exit code.
    """

    def __init__(self, message: str, remedy: str, code: int = Exit.FAILED) -> None:
        super().__init__(message, remedy)
        self.code = code
