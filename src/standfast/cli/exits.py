"""The exit codes of every command, and which error ends in which."""

from standfast.errors import StandfastError
from standfast.io.commands.client import UNREACHABLE_CODES, ControlError
from standfast.io.settings.places import ConfigError

OK = 0
NEGATIVE = 1  # done, and the result is negative: findings, nothing known, a drill that failed
USAGE = 2  # the command line or the configuration is wrong; click's own code for it
UNREACHABLE = 3  # no guard is running there, or it cannot be spoken to
UNUSABLE = 4  # an address, a file or the state directory that is needed cannot be used
UNDECIDED = 5  # done, and what is known does not say whether it is so or not


def exit_code_of(error: StandfastError) -> int:
    """Return the exit code that tells `error` to scripts."""
    match error:
        case ConfigError() | ControlError(code="bad_params"):
            return USAGE
        case ControlError(code=code) if code in UNREACHABLE_CODES:
            return UNREACHABLE
        case _:
            return UNUSABLE
