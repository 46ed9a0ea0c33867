"""The one error of the drills."""

from standfast.errors import StandfastError


class DrillError(StandfastError):
    """A drill cannot be loaded or run. Fields: `drill`, `reason`."""

    def __init__(self, drill: str, reason: str) -> None:
        super().__init__(f"drill {drill}: {reason}")
        self.drill = drill
        self.reason = reason
