"""Where a process listens, as the kernel tells it."""

import os
import socket
import sys

import pytest

from standfast.drills.live.sockets import beyond_loopback, listened_on

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def test_listeners_on_loopback_are_seen_and_are_fine() -> None:
    with socket.create_server(("127.1.2.3", 0)), socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.1.2.4", 0))
        assert {"127.1.2.3", "127.1.2.4"} <= listened_on(os.getpid())
        assert not {"127.1.2.3", "127.1.2.4"} & beyond_loopback(os.getpid())
    assert not {"127.1.2.3", "127.1.2.4"} & listened_on(os.getpid())


def test_a_socket_that_waits_for_the_world_is_seen() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("0.0.0.0", 0))
        assert "0.0.0.0" in beyond_loopback(os.getpid())


def test_a_client_that_is_connected_listens_to_nobody() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.1.2.5", 0))
        assert "127.1.2.5" in listened_on(os.getpid())
        udp.connect(("127.1.2.6", 9))
        assert "127.1.2.5" not in listened_on(os.getpid())


def test_a_process_that_has_ended_listens_nowhere() -> None:
    pid = os.spawnlp(os.P_NOWAIT, "true", "true")
    os.waitpid(pid, 0)
    assert listened_on(pid) == set()
