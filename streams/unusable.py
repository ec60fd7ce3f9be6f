"""What an agent, or a part of one, is when it cannot run as it is set up.

Errors:
    InfraError
    └── Unusable   it cannot run as it is set up; trying again does not help
"""

from infra.errors import InfraError


class Unusable(InfraError):
    """It cannot run as it is set up; trying again does not help."""
