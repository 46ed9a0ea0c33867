"""What happened in a simulation, as lines of text: the same seed gives the same lines, in any process."""

import json
from collections import deque
from hashlib import sha256

from standfast.dns.model import Query, Reply
from standfast.evidence.model import ProbeResult
from standfast.guard.events import Abandon, Action, Alarm, Ask, Forget, Probe, Record, Remember, Respond, Switch
from standfast.sim.events import Event
from standfast.sim.guard import Cause, Client, Witness
from standfast.sim.said import addresses_in

LINES_KEPT = 200_000  # of one trace; its hash is over all of them


class Trace(Witness):
    """A witness that writes everything down."""

    def __init__(self, *, start_s: float, lines_max: int = LINES_KEPT) -> None:
        self.lines: deque[str] = deque(maxlen=lines_max)
        self._start_s = start_s
        self._hash = sha256()

    def digest(self) -> str:
        """Return the hash of all lines so far."""
        return self._hash.hexdigest()

    def write(self, now: float, text: str) -> None:
        """Write one line."""
        line = f"{now - self._start_s:12.6f}  {text}"
        self._hash.update(line.encode() + b"\n")
        self.lines.append(line)

    def happened(self, now: float, event: Event) -> None:
        """See an event of the world."""
        self.write(now, f"event     {event}")

    def observed(self, now: float, text: str) -> None:
        """See what a contestant answered."""
        self.write(now, f"look-up   {text}")

    def acted(self, now: float, action: Action, cause: Cause) -> None:
        """See one action of the guard."""
        if not isinstance(action, Respond):
            self.write(now, f"{cause:<9} {_words(action)}")

    def answered(self, now: float, client: Client, query: Query, reply: Reply) -> None:
        """See what a client gets."""
        del client
        errors = "; ".join(f"{error.code} {error.text}" for error in reply.errors)
        ttls = [rrset.ttl_s for rrset in (*reply.answer, *reply.authority)]
        said = f"rcode {reply.rcode} {list(addresses_in(reply))} ttl {ttls} ad {reply.ad} {errors}"
        self.write(now, f"answer    {query.question} {said}")

    def arrived(self, now: float, ask: int) -> None:
        """See that a response came back for `ask`."""
        self.write(now, f"arrived   {ask}")

    def probed(self, now: float, probe: int, result: ProbeResult) -> None:
        """See that a probe came back."""
        self.write(now, f"probed    {probe} {result.address} {result.identity} {result.detail}")

    def restarted(self, now: float) -> None:
        """See that the guard was killed."""
        self.write(now, "restart")

    def crashed(self, now: float, error: Exception) -> None:
        """See that an exception left the guard."""
        self.write(now, f"crash     {error!r}")

    def spun(self, now: float) -> None:
        """See that the guard wants to be called for ever at one instant."""
        self.write(now, "spins")


def _words(action: Action) -> str:
    match action:
        case Ask(ask=ask, server=server, transport=transport, query=query):
            return f"ask {ask} {server} {transport} {query.cased_qname} {query.question.qtype} {query.id} do {query.do}"
        case Abandon(ask=ask):
            return f"abandon {ask}"
        case Probe(probe=probe, qname=qname, address=address, spec=spec):
            return f"probe {probe} {qname} {address} {spec.kind}:{spec.port}"
        case Record(kind=kind, body=body):
            return f"record {kind} {json.dumps(body, sort_keys=True)}"
        case Alarm(event=event, fields=fields):
            return f"alarm {event} {json.dumps(dict(fields), sort_keys=True)}"
        case Remember(known=known):
            return (
                f"remember {known.question} {list(known.answer.addresses)} confirmed {known.confirmed_at_s:.6f} "
                f"lost {known.lost_at_s} released {known.released_at_s} proven {known.proven_at_s}"
            )
        case Forget(question=question):
            return f"forget {question}"
        case Switch(enabled=enabled):
            return f"switch {enabled}"
        case Respond(query=query):
            return f"respond {query.question}"
