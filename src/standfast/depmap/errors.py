"""What a file that is to be a model, or a part of a map, can be: none."""

from standfast.errors import StandfastError


class ModelError(StandfastError):
    """A model that means nothing. Fields: `file`, `line` (0 where there is none) and `reason`."""

    def __init__(self, reason: str, *, file: str = "", line: int = 0) -> None:
        super().__init__(f"{file}:{line}: {reason}" if line else f"{file}: {reason}" if file else reason)
        self.file = file
        self.line = line
        self.reason = reason
