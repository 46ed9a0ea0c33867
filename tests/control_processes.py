"""Real processes of the control plane and the authority that they publish at, on loopback, and a gate between them."""

import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from pathlib import Path
from typing import Final, Self

from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.authority.primaries import Primary
from standfast.io.control.publishers.rfc2136 import Rfc2136Publisher

START_TIMEOUT_S: Final = 60.0  # of what takes a second on an idle machine
PATIENCE_S: Final = 30.0  # for what takes milliseconds on one
LINGER_S: Final = 5.0
UPDATE_OPCODE: Final = 5  # RFC 2136 section 1.3
SECRET: Final = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MDA="
KEY: Final = TsigKey(name="updater.example.", algorithm="hmac-sha256", secret=b"secretsecretsecretsecretsecret00")
ZONE_FILE: Final = "$TTL 300\n@ SOA ns h 1 3600 600 86400 1\n@ NS ns\nns A 127.0.0.1\nhand TXT foreign\n"


def write_authority(folder: Path) -> Path:
    """Write the configuration of an authority for example.org that takes updates by the key."""
    folder.mkdir(parents=True)
    (folder / "example.org.zone").write_text(ZONE_FILE)
    config = folder / "standfast.toml"
    config.write_text(f"""
[authority]
listen = ["127.0.0.1:0"]
state_dir = "state"
zones = ["example.org.zone"]
allow_update = ["key:updater.example"]
allow_transfer = ["key:updater.example"]
[[authority.keys]]
name = "updater.example"
secret = "{SECRET}"
""")
    return config


def write_control(
    folder: Path, name: str, port: int, intent: str, *, verify_every_s: float = 60.0, more: str = ""
) -> Path:
    """Write the configuration of one process, `name`, which publishes at 127.0.0.1; `more` are keys of `[control]`.

    All in `folder` share a store, unless `more` names another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "intent.yaml").write_text(intent)
    config = folder / f"{name}.toml"
    config.write_text(f"""
[control]
intent = ["intent.yaml"]
state_dir = "state"
name = "{name}"
verify_every_s = {verify_every_s}
{more}
[[control.publisher]]
name = "wire"
kind = "rfc2136"
server = "127.0.0.1:{port} key:updater.example"
[[control.keys]]
name = "updater.example"
secret = "{SECRET}"
""")
    return config


def publisher_at(port: int) -> Rfc2136Publisher:
    """Return what reads and writes example.org there, from within the test."""
    primary = Primary(server=Server("127.0.0.1", port), key=KEY)
    return Rfc2136Publisher("wire", primary, rng=random.Random(1), wall=time.time)


class Running:
    """`standfast VERB` on a configuration, from `start` (or entering) until it is ended."""

    def __init__(self, verb: str, config: Path) -> None:
        self.verb = verb
        self.config = config
        self.said = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def port(self) -> int:
        """Where an authority answers."""
        return int(self.said.split("127.0.0.1:")[1].split()[0].rstrip(","))

    def start(self) -> Self:
        """Start it, and wait until it says that it runs."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "standfast.cli.main", self.verb, "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=self._events.open("a"),
            text=True,
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline()  # ends also when the process does
        assert self.said, f"it did not start:\n{self.events()}"
        return self

    def stall(self) -> None:
        """Have it do nothing at all."""
        self._send(signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it go on."""
        self._send(signal.SIGCONT)

    def reload(self) -> None:
        """Have it read anew what is wanted."""
        self._send(signal.SIGHUP)

    def kill(self) -> None:
        """End it with nothing but what is on the disk."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        return self._end(signal.SIGTERM)

    def events(self) -> str:
        """Return what it wrote to standard error so far."""
        return self._events.read_text()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def _events(self) -> Path:
        return self.config.with_suffix(f".{self.verb}.events")

    def _send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, by: signal.Signals) -> int:
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(by)
        with process:  # closes its output
            return process.wait(START_TIMEOUT_S)


class Hold(Enum):
    """What a gate holds back next, once."""

    NOTHING = auto()
    QUERY = auto()  # the first message that is no update
    UPDATE = auto()  # the next update: it is on its way, and nobody knows for how long
    ANSWER = auto()  # the answer to the next update, which is done


class Gate:
    """A path by TCP to a server on 127.0.0.1, on which one message is held back until it is let go.

    What was sent arrives even if its sender has ended meanwhile, as on a real network.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._next = Hold.NOTHING
        self._skip = 0
        self._held = threading.Event()
        self._let_go = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def hold(self, what: Hold, *, after: int = 0) -> None:
        """Hold the next such message back, or one that comes `after` so many others of its kind."""
        self._held.clear()
        self._let_go.clear()
        self._next, self._skip = what, after

    def until_held(self) -> None:
        """Wait until it is there."""
        assert self._held.wait(PATIENCE_S)

    def let_go(self) -> None:
        """Let it go on its way."""
        self._let_go.set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go.set()
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._to)) as server:
            held_answer = threading.Event()
            back = threading.Thread(target=self._pass_back, args=(server, client, held_answer), daemon=True)
            back.start()
            while message := _framed(client):
                is_update = (message[4] >> 3) & 0xF == UPDATE_OPCODE
                if self._is_next(Hold.UPDATE if is_update else Hold.QUERY):
                    self._wait()
                if is_update and self._is_next(Hold.ANSWER):
                    held_answer.set()
                server.sendall(message)
            back.join(LINGER_S)  # the client has ended; what it sent is still to be taken

    def _pass_back(self, server: socket.socket, client: socket.socket, held_answer: threading.Event) -> None:
        with suppress(OSError):
            while answer := _framed(server):
                if held_answer.is_set():
                    held_answer.clear()
                    self._wait()
                client.sendall(answer)

    def _is_next(self, kind: Hold) -> bool:
        if self._next is not kind:
            return False
        self._skip -= 1
        if self._skip >= 0:
            return False
        self._next = Hold.NOTHING
        return True

    def _wait(self) -> None:
        self._held.set()
        self._let_go.wait()


def _framed(sock: socket.socket) -> bytes:
    """Return the next message with its length before it; none where the other side is done."""
    head = _exactly(sock, 2)
    return head + _exactly(sock, int.from_bytes(head, "big")) if head else b""


def _exactly(sock: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        octets = sock.recv(size - len(found))
        if not octets:
            return b""
        found += octets
    return found


@contextmanager
def authority(folder: Path) -> Iterator[Running]:
    """Run an authority for example.org."""
    with Running("up", write_authority(folder)) as running:
        yield running
