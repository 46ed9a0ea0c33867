"""The drill's parts cannot name, and its clients cannot reach, what is not on loopback."""

import subprocess
import sys

import pytest

from standfast.drills.live.loopback import Endpoint, free_endpoint

CLIENT = """
import contextlib, socket, sys
from standfast.drills.live.loopback import refuse_beyond_loopback

connected = []
refuse_beyond_loopback(lambda address, port: connected.append((address, port)))
family, kind, address, how = sys.argv[1:]
with socket.socket(socket.AddressFamily[family], socket.SocketKind[kind]) as sock:
    with contextlib.suppress(OSError):  # a machine without IPv6
        sock.bind(("127.0.0.1" if family == "AF_INET" else "::1", 0))  # so that the kernel says no too
    try:
        if how == "connect":
            sock.connect((address, 9))
        else:
            sock.sendto(b"x", (address, 9))
    except PermissionError as error:
        print(error)
    except ConnectionRefusedError:
        pass
print(connected)
"""


def client(*args: str) -> str:
    command = [sys.executable, "-c", CLIENT, *args]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("address", ["192.0.2.1", "0.0.0.0", "::1", "localhost", "128.0.0.1"])
def test_an_endpoint_beyond_loopback_cannot_be_named(address: str) -> None:
    with pytest.raises(ValueError, match=address):
        Endpoint(address=address, port=53)


@pytest.mark.parametrize("port", [0, 65536, -1])
def test_an_endpoint_needs_a_port(port: int) -> None:
    with pytest.raises(ValueError, match="is not a port"):
        Endpoint(address="127.0.0.1", port=port)


def test_an_endpoint_is_read_as_it_is_written() -> None:
    endpoint = free_endpoint("127.9.9.9")
    assert Endpoint.parse(str(endpoint)) == endpoint


@pytest.mark.parametrize(
    ("family", "kind", "address", "how"),
    [
        ("AF_INET", "SOCK_STREAM", "192.0.2.1", "connect"),
        ("AF_INET", "SOCK_DGRAM", "192.0.2.1", "connect"),
        ("AF_INET", "SOCK_DGRAM", "192.0.2.1", "send"),
        ("AF_INET6", "SOCK_DGRAM", "2001:db8::1", "send"),
    ],
)
def test_a_client_is_stopped_before_it_sends_beyond_loopback(family: str, kind: str, address: str, how: str) -> None:
    assert client(family, kind, address, how) == (f"{address} is beyond loopback; the drill does not send there\n[]\n")


def test_a_client_reaches_loopback_and_it_is_noted_where() -> None:
    assert client("AF_INET", "SOCK_STREAM", "127.8.8.8", "connect") == "[('127.8.8.8', 9)]\n"
