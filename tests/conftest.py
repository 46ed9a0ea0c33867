"""Fixtures for every room's tests: free ports on loopback, and the data folder beside the checkout."""

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

CHECKOUT = Path(__file__).parents[1]
PORTS = range(10_000, 32_000)  # below Linux's ephemeral ports, so that no client socket takes one unasked


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return a function that gives a port of 127.0.0.1 free for UDP and TCP, and never the same one again.

    Workers of one run have ports of their own: a server that is killed and started again finds its port as it left it.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = PORTS[worker::workers]
    candidates = iter(random.sample(own, k=len(own)))
    return lambda: next(port for port in candidates if _is_free(port))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of public data (zones, Terraform states, ...); skip the test where there is none."""
    configured = os.environ.get("STANDFAST_DATA")
    folder = Path(configured) if configured else CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no data folder: {folder} is not there; name one with STANDFAST_DATA=/path/to/data")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _no_lists_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the lists of address ranges that whoever runs the tests has from telling more of the tests' maps."""
    os.environ["STANDFAST_RANGES"] = str(tmp_path_factory.mktemp("no-ranges"))


def _is_free(port: int) -> bool:
    try:
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            with socket.socket(socket.AF_INET, kind) as candidate:
                candidate.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


# A property that is slow on a busy machine is not wrong; what must be fast is measured in bench/.
settings.register_profile("standfast", deadline=None)
settings.load_profile("standfast")
