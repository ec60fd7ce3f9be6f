"""Names that feature specs put together: what records bring, what lookups and functions make."""

from processors.features.definitions.faults import Place, WrongDefinition

REQUEST_TIME = "request_time"
"""When a record is evaluated: every spec has it, nobody sends it."""

LONGEST_NAME = 200


def check_input(what: str, name: object, place: Place) -> None:
    """Hold the name of something a record brings to what JSON and sentences take.

    Raises:
        WrongDefinition: If it is something else.
    """
    if not isinstance(name, str) or not name or len(name) > LONGEST_NAME or not name.isprintable():
        remedy = f"Use the name of a field: 1 to {LONGEST_NAME} printable characters."
        raise WrongDefinition(f"{what}: {name!r} is no name", remedy, place)
