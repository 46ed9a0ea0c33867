"""The authority that all chaos is in front of, and resolvers that ask it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from chaos.names import ZONE, records
from chaos.stage import Upstream
from peers.servers import dig, knot
from standfast.dns.servers import Server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Server]:
    """Knot with the zone of the chaos, signed."""
    with knot(tmp_path_factory.mktemp("knot"), free_port(), {ZONE: records()}) as server:
        yield server


@pytest.fixture(scope="session")
def anchors(authority: Server) -> dict[str, str]:
    """The key that signs the zone."""
    return {ZONE: dig(authority, ZONE, "DNSKEY").answer[0].partition(" DNSKEY ")[2]}


@pytest.fixture
def new_upstream(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], authority: Server, anchors: dict[str, str]
) -> Iterator[Callable[..., Upstream]]:
    """Return a function that starts a resolver, in front of the authority or of the server that it is given."""
    with ExitStack() as running:
        yield lambda behind=authority: running.enter_context(
            Upstream(tmp_path_factory.mktemp("unbound"), free_port(), behind, anchors)
        )


@pytest.fixture
def upstream(new_upstream: Callable[..., Upstream]) -> Upstream:
    """The only resolver."""
    return new_upstream()
