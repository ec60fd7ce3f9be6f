"""Call feature functions here, in this process and without a time limit."""

from collections.abc import Iterable, Mapping, Sequence

from processors.features.definitions.functions import FeatureFunction
from processors.features.definitions.serving import FeatureSpec
from processors.features.serving.ports import Argument, Call, Failed, Made
from processors.features.serving.results import NoResult, json_value

MESSAGE = 300
"""Characters of an exception's message that are told."""


class CallsHere:
    """Calls the functions of specs in this process: for tests, training sets, and the child process itself.

    Args:
        specs: Whose functions can be called.

    Example:
        >>> def twice(price: float) -> float:
        ...     return price * 2
        >>> calls = CallsHere([FeatureSpec("prices", [FeatureFunction(twice, "doubled")])])
        >>> calls.call([Call("prices", "doubled", {"price": 2.5})])
        [Made(value=5.0)]
    """

    def __init__(self, specs: Iterable[FeatureSpec]) -> None:
        self._functions = {(spec.name, output): one for spec in specs for output, one in spec.functions.items()}

    def call(self, calls: Sequence[Call]) -> list[Made | Failed]:
        """Make calls, one after the other."""
        return [call_function(self._functions[one.spec, one.output], one.arguments) for one in calls]


def call_function(function: FeatureFunction, arguments: Mapping[str, Argument]) -> Made | Failed:
    """Call one function; whatever it raises becomes a failure.

    Args:
        function: As defined.
        arguments: By name, of the types it asks for.
    """
    name = function.output_name
    try:
        value = function.function(**arguments)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a user's function may raise anything
        return failed(name, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
    try:
        return Made(json_value(value))
    except NoResult as error:
        return Failed("invalid_result", "A function returned what cannot be served", f"function {name}: {error}")


def failed(name: str, why: str) -> Failed:
    """Say that a function failed."""
    told = " ".join(why.split())
    told = told if len(told) <= MESSAGE else f"{told[:MESSAGE]}..."
    return Failed("function_failed", "A function failed", f"function {name}: {told}")


def too_slow(name: str, limit_s: float) -> Failed:
    """Say that a function took too long."""
    return Failed("function_too_slow", "A function took too long", f"function {name} took longer than {limit_s:g} s")
