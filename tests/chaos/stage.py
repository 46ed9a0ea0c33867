"""What stands on the stage: an authority, resolvers in front of it that can be hurt, and a guard in front of those."""

import signal
import subprocess
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Self

import dns.flags

from chaos.names import address_of
from peers.servers import unbound_process
from running_guard import RunningGuard, write_config
from standfast.dns.servers import Server

STALE_ANSWER: Final = 3  # RFC 8914 section 4.4: how a held answer is marked
HELD_TTL_S: Final = 1
# Nothing is probed, and what is lost is looked at again soon: an outage of seconds must be over in seconds.
POLICY: Final = f"""
[[guard.policy]]
suffix = "."
probe = {{ kind = "none" }}
recheck_min_s = 0.2
recheck_max_s = 1
held_ttl_s = {HELD_TTL_S}
"""
FRESH_AGAIN_S: Final = 30.0  # looks come every second; the rest is for a machine that has other things to do


class Upstream:
    """A validating Unbound in front of `authority`, on one port however often it is killed and started."""

    def __init__(self, folder: Path, port: int, authority: Server, anchors: Mapping[str, str]) -> None:
        self.address = Server("127.0.0.1", port)
        self._folder = folder
        self._authority = authority
        self._anchors = anchors
        self._running = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        running = unbound_process(self._folder, self.address.port, self._authority, self._anchors)
        self._process = self._running.enter_context(running)

    def kill(self) -> None:
        """End it as by a crash; nobody listens on its port then."""
        assert self._process is not None
        self._process.kill()
        self._running.close()

    def pause(self) -> None:
        """Stop it without a word: its port takes queries, and nothing comes of them."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.resume()
        self._running.close()


def guard_before(folder: Path, *upstreams: Server, port: int = 0, before: Sequence[str | Path] = ()) -> RunningGuard:
    """Return a guard that asks `upstreams`, to be started; see `RunningGuard`.

    Its port stays the same over all its starts where one is given. `before` is a command that runs it.
    """
    folder.mkdir(exist_ok=True)
    config = write_config(folder, *map(str, upstreams), listen=f"127.0.0.1:{port}", policy=POLICY)
    return RunningGuard(config, before=before)


def held(guard: RunningGuard, qname: str) -> bool:
    """Ask `guard` for a learned name, and say whether it answers rightly from what it remembers."""
    reply = guard.ask(qname)
    addresses = [record.address for rrset in reply.answer for record in rrset]
    marked = [error.code for error in reply.extended_errors()] == [STALE_ANSWER]
    return marked and addresses == [address_of(qname)] and not reply.flags & dns.flags.AD


def all_held(guard: RunningGuard, qnames: Collection[str]) -> bool:
    """Ask `guard` for all `qnames` at once: one that was not asked for since its start takes 1.8 s."""
    with ThreadPoolExecutor(len(qnames)) as askers:
        return all(askers.map(lambda qname: held(guard, qname), qnames))
