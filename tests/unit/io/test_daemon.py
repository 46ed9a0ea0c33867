"""What a process loads, and does not: each part of the product waits for itself alone."""

import subprocess
import sys

import pytest

GUARD = ("standfast.guard.resolver", "standfast.io.guard_service")
AUTHORITY = ("standfast.io.authority.service", "standfast.io.authority.zones")
PLANE = ("standfast.io.control.planner_service", "standfast.io.control.enactor_service")
OF_SOME_SETTINGS = ("prometheus_client", "boto3", "standfast.io.control.publishers.rfc2136")


@pytest.mark.parametrize(
    ("module", "loads", "not_loaded"),
    [
        ("standfast.io.daemon", (), (*GUARD, *AUTHORITY, *PLANE, *OF_SOME_SETTINGS)),
        ("standfast.io.control.plane", PLANE, (*GUARD, *AUTHORITY, *OF_SOME_SETTINGS)),
        ("standfast.io.authority.service", AUTHORITY, (*GUARD, *PLANE)),
        ("standfast.io.guard_daemon", GUARD, PLANE),
    ],
)
def test_what_runs_alone_loads_nothing_of_the_others(
    module: str, loads: tuple[str, ...], not_loaded: tuple[str, ...]
) -> None:
    asked = (*loads, *not_loaded)
    script = f"import sys, {module}; print(*[name for name in {asked} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=True)
    assert tuple(done.stdout.split()) == loads
