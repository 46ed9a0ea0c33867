"""The clients of one way of resolving: `python -m standfast.drills.live.workload`, run by `client.Workload`.

boto3 is unmodified: it is given an endpoint URL, an authority, timeouts and dummy credentials by its
documented arguments, and looks its endpoint's name up as it always does, through `socket.getaddrinfo`. The
stub resolver behind that function is ours (`stub`), because pointing glibc's at another server takes root.
Two kinds of call:

- the canary writes an item with a rising number, and reads back what it wrote, in turn;
- a visitor calls each dependent (`dependent`) over HTTPS, by name, and that must read DynamoDB to answer.

Each call opens a new connection, so that each looks its name up. Protocol: it prints a line when it is ready,
waits for a line with the dependents' HTTPS ports, then prints one line a call (`calls`); it ends when its
stdin does, so that it never outlives the drill.
"""

import argparse
import http.client
import json
import os
import random
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from standfast.drills.live.boto import Client, dynamodb_client, innermost_cause
from standfast.drills.live.calls import Call
from standfast.drills.live.dependent import start_dependent
from standfast.drills.live.dynamo import KEY, TABLE
from standfast.drills.live.loopback import Endpoint, refuse_beyond_loopback
from standfast.drills.live.stub import StubResolver, install

VISIT_TIMEOUT_S = 10.0  # above what a dependent's own call may take, so that its 503 is heard
BODY_BYTES_MAX = 4096  # of a dependent's answer; ours has a line

_connected = threading.local()


def main(argv: Sequence[str]) -> None:
    """Run until stdin ends."""
    options = _parse(argv)
    resolver = Endpoint.parse(options.resolver)
    refuse_beyond_loopback(partial(_note_connection, resolver))
    install(StubResolver(server=resolver, timeout_s=options.dns_timeout_s, attempts=options.dns_attempts))
    client = dynamodb_client(
        f"https://{options.name}:{options.port}",
        ca_file=options.ca_file,
        connect_timeout_s=options.connect_timeout_s,
        read_timeout_s=options.read_timeout_s,
        tries=options.tries,
    )
    dependents = {name: start_dependent(partial(_read_account, client, name)) for name in options.dependent}
    _print(json.dumps({"dependents": {name: endpoint.port for name, endpoint in dependents.items()}}))

    said = sys.stdin.readline()
    if not said:
        return
    ports = json.loads(said)["dependents"]
    canary = Canary(client=client, key=f"canary#{options.way}")
    trust = ssl.create_default_context(cafile=options.ca_file)
    _start_calls(1 / options.calls_per_s, lambda: _timed(options.name, *canary.next_call()))
    for name, port in ports.items():
        visit = partial(_visit, name, port, trust)
        _start_calls(1 / options.visits_per_s, partial(_timed, name, "GET", visit))
    sys.stdin.read()


class WrongItem(Exception):
    """The table gave back another item than was put there."""


@dataclass(slots=True, kw_only=True)
class Canary:
    """Puts a rising number and gets it back, in turn.

    A put whose outcome is unknown may have happened: the number that is read may be any from the last one
    that was acknowledged to the last one that was tried.
    """

    client: Client
    key: str
    acknowledged: int = 0
    tried: int = 0
    _put_is_next: bool = field(default=True)

    def next_call(self) -> tuple[str, Callable[[], None]]:
        """Return the next call's name and the call."""
        put, self._put_is_next = self._put_is_next, not self._put_is_next
        return ("PutItem", self.put) if put else ("GetItem", self.get)

    def put(self) -> None:
        """Put the next number."""
        self.tried += 1
        number = self.tried
        self.client.put_item(TableName=TABLE, Item={KEY: {"S": self.key}, "number": {"N": str(number)}})
        self.acknowledged = number

    def get(self) -> None:
        """Get the number back. Raises `WrongItem` when it cannot be one that was put last."""
        said = self.client.get_item(TableName=TABLE, Key={KEY: {"S": self.key}}, ConsistentRead=True)
        number = int(said["Item"]["number"]["N"]) if "Item" in said else 0
        if not self.acknowledged <= number <= self.tried:
            raise WrongItem(f"read {number}, and had put {self.acknowledged} to {self.tried}")


def _read_account(client: Client, name: str) -> None:
    if "Item" not in client.get_item(TableName=TABLE, Key={KEY: {"S": name}}):
        raise WrongItem(f"the table has no item {name}")


def _visit(name: str, port: int, trust: ssl.SSLContext) -> None:
    connection = http.client.HTTPSConnection(name, port, timeout=VISIT_TIMEOUT_S, context=trust)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        response = connection.getresponse()
        text = response.read(BODY_BYTES_MAX).decode(errors="replace")
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise http.client.HTTPException(f"{response.status} {text}")


def _timed(name: str, call: str, action: Callable[[], None]) -> Call:
    _connected.address = None
    began_s = time.monotonic()
    error = None
    try:
        action()
    except Exception as failure:  # whatever it is, it is what the user of boto3 gets
        error = innermost_cause(failure)
    return Call(
        at_s=began_s,
        name=name,
        call=call,
        ok=error is None,
        error=error,
        address=_connected.address,
        took_ms=round((time.monotonic() - began_s) * 1000),
    )


def _start_calls(period_s: float, call: Callable[[], Call]) -> None:
    def run() -> None:
        due_s = time.monotonic() + random.uniform(0, period_s)  # noqa: S311  not in step
        while True:
            time.sleep(max(0.0, due_s - time.monotonic()))
            _print(call().to_line())
            due_s = max(due_s + period_s, time.monotonic())  # calls that are late are not made up for

    threading.Thread(target=run, daemon=True).start()


def _print(line: str) -> None:
    os.write(sys.stdout.fileno(), line.encode() + b"\n")  # one write, so that threads do not mix their lines


def _note_connection(resolver: Endpoint, address: str, port: int) -> None:
    if (address, port) != (resolver.address, resolver.port):
        _connected.address = address


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="standfast.drills.live.workload")
    add = parser.add_argument
    add("--way", required=True, help="names this way's items in the table")
    add("--resolver", required=True, help="ADDRESS:PORT of the one DNS server")
    add("--name", required=True, help="the DynamoDB endpoint's host name")
    add("--port", required=True, type=int, help="the DynamoDB endpoint's port")
    add("--ca-file", required=True, type=Path)
    add("--calls-per-s", required=True, type=float)
    add("--dependent", action="append", default=[], metavar="NAME", help="serve this dependent; repeatable")
    add("--visits-per-s", required=True, type=float, help="to each dependent")
    add("--dns-timeout-s", required=True, type=float)
    add("--dns-attempts", required=True, type=int)
    add("--connect-timeout-s", required=True, type=float)
    add("--read-timeout-s", required=True, type=float)
    add("--tries", required=True, type=int, help="of boto3; 1 is no retry")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
