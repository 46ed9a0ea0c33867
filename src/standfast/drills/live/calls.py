"""One call of a client of the live drill, as the line of JSON in which its process reports it."""

import json
from dataclasses import dataclass
from typing import Self

ERROR_CHARS_MAX = 200  # an error's text can quote a whole URL or certificate; its start says what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What became of one call.

    Attributes:
        at_s: when it began, on the machine's monotonic clock (`time.monotonic()`, the same in all processes).
        name: the host name that it went to, without a final dot.
        call: `PutItem`, `GetItem`, or `GET` for a dependent.
        ok: whether it did what it should.
        error: why not, the innermost cause first; None when `ok`.
        address: the last address that it connected to, or tried to; None when the name did not resolve.
        took_ms: how long it took.
    """

    at_s: float
    name: str
    call: str
    ok: bool
    error: str | None
    address: str | None
    took_ms: int

    def to_line(self) -> str:
        """Return it as one line of JSON, without the line end."""
        return json.dumps(
            {
                "at": round(self.at_s, 4),
                "name": self.name,
                "ok": self.ok,
                "error": self.error,
                "address": self.address,
                "ms": self.took_ms,
                "call": self.call,
            }
        )

    @classmethod
    def from_line(cls, line: str | bytes) -> Self:
        """Read what `to_line` wrote; `ValueError`, `KeyError` or `TypeError` on anything else."""
        said = json.loads(line)
        return cls(
            at_s=said["at"],
            name=said["name"],
            ok=said["ok"],
            error=said["error"],
            address=said["address"],
            took_ms=said["ms"],
            call=said["call"],
        )
