"""Who is to be told that a zone has changed, when, and when again (RFC 1996 section 3.6). Decides only; sends nothing.

Each secondary of each zone has at most one notice that it has not acknowledged; a newer one takes its place.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Final

from standfast.authority.remote import Remote
from standfast.dns.model import Name
from standfast.ports import Random

QUIET_S: Final = 0.01  # after a change, in which further ones may come that are told along with it
QUIET_MAX_S: Final = 0.25  # and this long at most, while they come without a pause
TRIES_MAX: Final = 6  # "a maximum of 5 retransmissions" (RFC 1996 section 3.6); then there is the refresh timer
RETRY_S: Final = 1.0  # before the first repetition; twice as long before each further one, so a minute in all
JITTER: Final = 0.25  # of it, more or less, so that not all are told again at one moment
AT_ONCE_MAX: Final = 64  # notices of a thousand zones at the start are no flood
PAUSE_S: Final = 0.1  # before the next ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Tell `remote` that the zone `origin` has `serial` now; `id` is that of the message, however often it is sent."""

    origin: Name
    remote: Remote
    serial: int
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """`remote` has been told `tries` times and is silent."""

    origin: Name
    remote: Remote
    serial: int
    tries: int


Action = Send | GiveUp


@dataclass(slots=True, kw_only=True)
class _Notice:
    serial: int
    id: int
    since_s: float
    due_s: float = 0.0
    tries: int = 0


class Notifying:
    """All notices that are not acknowledged yet. Holds one for each pair of zone and secondary in the configuration."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._notices: dict[Name, dict[Remote, _Notice]] = {}
        self._timers: list[tuple[float, int, Name, Remote]] = []  # those that hold no more are passed over, soon
        self._order = count()
        self._paused_until_s = -inf

    def __len__(self) -> int:
        """How many are not acknowledged."""
        return sum(map(len, self._notices.values()))

    @property
    def next_s(self) -> float:
        """When `due` is to be called; infinity where there is nothing to do."""
        return max(self._timers[0][0], self._paused_until_s) if self._timers else inf

    def changed(self, origin: Name, serial: int, remotes: Iterable[Remote], now: float) -> None:
        """Have `remotes` told that the zone `origin` has `serial` now. Nobody else is told of it any more."""
        before = self._notices.pop(origin, {})
        notices = self._notices[origin] = {}
        for remote in remotes:
            old = before.get(remote)
            since_s = old.since_s if old is not None and not old.tries else now
            notices[remote] = notice = _Notice(serial=serial, id=self._rng.getrandbits(16), since_s=since_s)
            self._set(origin, remote, notice, max(now, min(now + QUIET_S, since_s + QUIET_MAX_S)))

    def due(self, now: float) -> list[Action]:
        """Return what is to be done now, `AT_ONCE_MAX` actions at most."""
        actions: list[Action] = []
        while self._timers and self.next_s <= now:
            due_s, _, origin, remote = heappop(self._timers)
            notice = self._notices.get(origin, {}).get(remote)
            if notice is None or notice.due_s != due_s:
                continue
            actions.append(self._take(origin, remote, notice, now))
            if len(actions) == AT_ONCE_MAX:
                self._paused_until_s = now + PAUSE_S
        return actions

    def answered(self, origin: Name, remote: Remote, id_: int) -> int | None:
        """Take in the response of `remote` to the message `id_`: no more is sent, whatever it says.

        Returns:
            The serial that it was told of; None where that notice is not waited for.
        """
        notice = self._notices.get(origin, {}).get(remote)
        if notice is None or notice.id != id_ or not notice.tries:
            return None
        del self._notices[origin][remote]
        return notice.serial

    def _take(self, origin: Name, remote: Remote, notice: _Notice, now: float) -> Action:
        if notice.tries == TRIES_MAX:
            del self._notices[origin][remote]
            return GiveUp(origin=origin, remote=remote, serial=notice.serial, tries=TRIES_MAX)
        wait_s = RETRY_S * 2**notice.tries * self._rng.uniform(1 - JITTER, 1 + JITTER)
        notice.tries += 1
        self._set(origin, remote, notice, now + wait_s)
        return Send(origin=origin, remote=remote, serial=notice.serial, id=notice.id)

    def _set(self, origin: Name, remote: Remote, notice: _Notice, due_s: float) -> None:
        notice.due_s = due_s
        heappush(self._timers, (due_s, next(self._order), origin, remote))
