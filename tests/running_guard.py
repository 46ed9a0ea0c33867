"""A real `standfast up` in a process of its own, on loopback, and the command line that speaks to it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import dns.message
import dns.query

from standfast.dns.servers import Server
from standfast.io.commands import client as control_client

START_TIMEOUT_S = 60.0  # of what takes a second on an idle machine
ASK_TIMEOUT_S = 5.0

# Nothing is probed: what tests make up must not be looked for on the Internet.
POLICY = """
[[guard.policy]]
suffix = "."
probe = { kind = "none" }
"""


def write_config(folder: Path, *upstreams: str, listen: str = "127.0.0.1:0", policy: str = POLICY) -> Path:
    """Write a configuration that listens on any free port of 127.0.0.1 and keeps its state in `folder`."""
    path = folder / "standfast.toml"
    path.write_text(f"""
[guard]
listen = ["{listen}"]
upstreams = {json.dumps(upstreams)}
state_dir = "state"
{policy}
""")
    return path


def standfast(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end, its output as text."""
    command = [sys.executable, "-m", "standfast.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=START_TIMEOUT_S, check=False, **options)


class RunningGuard:
    """`standfast up` on the configuration at `config`, from `start` (or entering) to `stop`, `kill` or leaving.

    With `disk_full` no file of it may grow at first. `before` is a command that runs it as its last act.
    """

    def __init__(
        self,
        config: Path,
        *,
        disk_full: bool = False,
        before: Sequence[str | Path] = (),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.port = 0
        self.said = ""  # its line on standard output
        self._before = ["sh", "-c", 'ulimit -S -f 0; exec "$@"', "sh"] if disk_full else [*before]
        self._environ = dict(environ or {})
        self._process: subprocess.Popen[str] | None = None

    @property
    def address(self) -> Server:
        """Where it is to be asked."""
        return Server("127.0.0.1", self.port)

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process; only while it runs."""
        assert self._process is not None
        return self._process

    def start(self) -> Self:
        """Start it, and wait until it says that it serves."""
        self._process = subprocess.Popen(
            [*self._before, sys.executable, "-m", "standfast.cli.main", "up", "--config", str(self.config)],
            stdout=subprocess.PIPE,
            stderr=(self.config.parent / "events").open("w"),
            text=True,
            env=os.environ | self._environ,
        )
        assert self._process.stdout is not None
        self.said = self._process.stdout.readline()  # ends also when the process does
        assert self.said, f"it did not start:\n{self.events()}"
        self.port = int(self.said.split("127.0.0.1:")[1].split()[0].rstrip(","))
        return self

    def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with nothing but what is on the disk."""
        self._end(signal.SIGKILL)

    def ask(self, qname: str, qtype: str = "A") -> dns.message.Message:
        """Ask it a question by UDP."""
        query = dns.message.make_query(qname, qtype, use_edns=True)
        return dns.query.udp(query, "127.0.0.1", port=self.port, timeout=ASK_TIMEOUT_S)

    def call(self, method: str, **params: Any) -> Any:
        """Ask it over its control socket."""
        return control_client.call(self.config.parent / "state", method, params)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line against it."""
        return standfast(*arguments, "--config", self.config)

    def json(self, *arguments: str) -> Any:
        """Run the command line against it with `--json`, and return the one document that it prints."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def events(self) -> str:
        """Return what it wrote to standard error so far."""
        return (self.config.parent / "events").read_text()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    def _end(self, by: signal.Signals) -> int:
        process, self._process = self.process, None
        process.send_signal(by)
        with process:  # closes its output
            return process.wait(START_TIMEOUT_S)
