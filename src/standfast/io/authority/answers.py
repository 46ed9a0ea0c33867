"""What an authority has prepared, beside the zones that it is made of: kept, and voided when they change."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from standfast.authority.lookup import answer, trace
from standfast.authority.voided import names_touched
from standfast.dns.model import Query, Reply
from standfast.dns.prepared import Keeper
from standfast.dns.standing import Made, StandingAnswers
from standfast.io.authority.zones import Published, ServedZones
from standfast.io.clients.client import Client
from standfast.io.clients.datagrams import FastPath

VOIDED_MAX: Final = 10_000  # changes whose names are looked through, some 20 ms; of more, all answers are made anew


class Answers:
    """Answers queries from the zones that are served, and has what it answered given again by the fast path."""

    def __init__(self, served: ServedZones, now: Callable[[], float], *, nsid: bytes = b"") -> None:
        """Begin with none. `now` is the time, in seconds; `nsid` what this server calls itself to those who ask."""
        self._served = served
        self._nsid = nsid
        self._standing = StandingAnswers()
        self.fast = FastPath(self._standing, now=now, on_hits=lambda _hits: None)
        served.on_published.append(self._void)
        served.on_withheld.append(lambda _origin: self.begin())

    def on_query(self, client: Client, query: Query) -> None:
        """Answer a query that nothing is prepared for."""
        reply, made = trace(self._served.answering, query, self._served.withheld)
        client.respond(query, self._named(query, reply), _Standing(made))

    def answer(self, query: Query) -> Reply:
        """Return the answer to a query of which nothing is to be prepared."""
        return self._named(query, answer(self._served.answering, query, self._served.withheld))

    def _named(self, query: Query, reply: Reply) -> Reply:
        return replace(reply, nsid=self._nsid) if query.nsid else reply

    def begin(self) -> None:
        """Forget all that was prepared."""
        self._standing.begin({*self._served.zones, *self._served.withheld})

    def _void(self, published: Published) -> None:
        if published.before is None:
            self.begin()
            return
        few = len(published.changes) <= VOIDED_MAX
        names = names_touched(published.before, published.after, published.changes) if few else None
        if names is None:
            self._standing.clear()
        else:
            self._standing.void(published.origin, names)


@dataclass(frozen=True, slots=True)
class _Standing:
    """An answer that is right until what it was made of changes: its TTLs do not count down."""

    made: Made

    def prepare(self, keeper: Keeper, query: bytes, answer: bytes, now: float) -> None:
        """Have `answer` kept, where that is for datagrams; by TCP little is asked."""
        if isinstance(keeper, StandingAnswers):
            keeper.put_made(query, answer, self.made, now)
