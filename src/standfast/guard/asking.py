"""Asking servers: tries, retries, fail-over and the checks on what comes back. Sends nothing itself.

One `Exchange` is one question put to a list of servers until one gives a conclusive answer or the time is over.
Defences against forged answers (RFC 5452): the shell takes a fresh random port for every try by UDP, the ID is random
here, the name goes out in random letter case (0x20) to servers that keep it, and a cookie with it (RFC 7873) that
nobody can know who does not see our queries; a server that gives cookies is not believed without. An encrypted server
has proven who it is, and needs none of that.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field

from standfast.dns.exchange import CaseChanged, Heard, Heeded, Outbound, Unreadable
from standfast.dns.model import Question, Rcode
from standfast.dns.servers import Server, Transport
from standfast.guard.classify import classify
from standfast.guard.events import Abandon, Action, Ask
from standfast.guard.outcome import Bogus, Failure, Malformed, Outcome, Refused, ServFail, Timeout
from standfast.guard.timers import Timers
from standfast.guard.upstreams import DOWN_AFTER, HABIT_WORTH_S, ServerState, Upstreams
from standfast.ports import Random
from standfast.values import value

EXCHANGE_MAX_S = 4.0  # the common stub gives up at 5 s and should get SERVFAIL before that
TRIES_MAX = 8  # of all kinds together: servers, retries, TCP, without EDNS
TCP_WAIT_S = 2.0  # for the large answers of plain DNS; encrypted servers are waited for by their round trips
BACKGROUND_MAX = 1024  # exchanges that no client waits for; more would be a storm of our own, and wait


@value
class Done:
    """An exchange that ended: for whom, what came of it, and which server said so."""

    purpose: Hashable
    question: Question
    outcome: Outcome
    server: Server | None


@value
class Try:
    """One query on its way."""

    exchange: int
    server: Server
    transport: Transport
    outbound: Outbound
    sent_at_s: float


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One question under way."""

    id: int
    purpose: Hashable
    question: Question
    do: bool
    cd: bool
    servers: list[Server]
    deadline_s: float
    background: bool
    tries: int = 0
    open: dict[int, Try] = field(default_factory=dict)
    worst: Failure = field(default_factory=Timeout)
    worst_from: Server | None = None
    cookie_renewed: set[Server] = field(default_factory=set)  # those that asked for another cookie


class Asking:
    """All exchanges under way."""

    def __init__(self, upstreams: Upstreams, rng: Random, timers: Timers) -> None:
        self._upstreams = upstreams
        self._rng = rng
        self._timers = timers
        self._exchanges: dict[int, Exchange] = {}
        self._tries: dict[int, Exchange] = {}
        self._next_exchange = 0
        self._next_try = 0
        self._background = 0
        self.sent = 0
        self.timeouts = 0

    def __len__(self) -> int:
        return len(self._exchanges)

    @property
    def has_room(self) -> bool:
        """Whether one more exchange may be started that no client waits for."""
        return self._background < BACKGROUND_MAX

    def start(
        self,
        now: float,
        question: Question,
        servers: tuple[Server, ...],
        *,
        purpose: Hashable,
        do: bool = False,
        cd: bool = False,
        background: bool = True,
    ) -> list[Action]:
        """Put `question` to `servers`, healthy ones first, until one is conclusive.

        In the background only where `has_room`.
        """
        self._next_exchange += 1
        ordered = self._upstreams.in_order(servers, now)
        # Each server twice round: a lost packet is common, and with one server there is nobody else to ask.
        exchange = Exchange(
            id=self._next_exchange,
            purpose=purpose,
            question=question,
            do=do,
            cd=cd,
            servers=ordered * 2,
            deadline_s=now + EXCHANGE_MAX_S,
            background=background,
        )
        self._background += background
        self._exchanges[exchange.id] = exchange
        self._timers.set(("exchange", exchange.id), exchange.deadline_s)
        return self._next_server(now, exchange)

    def on_heard(self, now: float, ask: int, heard: Heeded) -> tuple[list[Action], Done | None]:
        """Take in what came back for `ask`; an `ask` that is over is ignored."""
        exchange = self._tries.get(ask)
        if exchange is None:
            return [], None
        tried = self._close(exchange, ask)
        state = self._upstreams.state(tried.server)
        actions: list[Action] = [Abandon(ask=ask)]
        if _is_in_doubt(now, tried, heard, state):
            return self._again(now, exchange, tried.server, Transport.TCP, actions)
        match heard:
            case CaseChanged() if tried.transport is Transport.UDP:
                # A forgery over UDP looks like this too, so it is TCP that tells (draft-vixie-dnsext-dns0x20).
                return self._again(now, exchange, tried.server, Transport.TCP, actions)
            case CaseChanged():
                state.no_case_until_s = now + HABIT_WORTH_S
                return self._again(now, exchange, tried.server, tried.server.over, actions)
            case Unreadable(detail=detail):
                return self._failed(now, exchange, tried.server, Malformed(detail=detail), actions)
            case Heard(truncated=True) if tried.transport is Transport.UDP:
                state.answered(now - tried.sent_at_s)
                return self._again(now, exchange, tried.server, Transport.TCP, actions)
            case Heard(truncated=True):
                failure = Malformed(detail=f"truncated over {tried.transport.upper()}, where everything has room")
                return self._failed(now, exchange, tried.server, failure, actions)
            case Heard(reply=reply, edns=False) if tried.outbound.edns and reply.rcode in (
                Rcode.FORMERR,
                Rcode.NOTIMP,
            ):
                state.no_edns_until_s = now + HABIT_WORTH_S  # RFC 6891 section 6.2.2
                return self._again(now, exchange, tried.server, tried.transport, actions)
            case Heard(reply=reply, cookie=b"") if tried.outbound.cookie and reply.rcode == Rcode.FORMERR:
                state.spare_cookies(now)
                return self._again(now, exchange, tried.server, tried.transport, actions)
            case Heard(reply=reply) if reply.rcode == Rcode.BADCOOKIE and tried.transport is Transport.UDP:
                # Once more with the cookie that it gave, then by TCP, where none is needed (RFC 7873 section 5.3).
                state.answered(now - tried.sent_at_s)
                transport = Transport.TCP if tried.server in exchange.cookie_renewed else Transport.UDP
                exchange.cookie_renewed.add(tried.server)
                return self._again(now, exchange, tried.server, transport, actions)
            case Heard():
                state.answered(now - tried.sent_at_s)
                outcome = classify(exchange.question, heard)
                if isinstance(outcome, Failure) and not isinstance(outcome, Bogus):
                    return self._failed(now, exchange, tried.server, outcome, actions)
                # Bogus is conclusive: another server that does not validate must not talk us out of it.
                return self._done(exchange, outcome, tried.server, actions)

    def on_failed(self, now: float, ask: int, detail: str) -> tuple[list[Action], Done | None]:
        """Take in that `ask` could not be sent or its connection broke."""
        exchange = self._tries.get(ask)
        if exchange is None:
            return [], None
        tried = self._close(exchange, ask)
        self._upstreams.state(tried.server).failed(now, detail)
        failure = Timeout(detail=f"{tried.server}: {detail}")
        return self._failed(now, exchange, tried.server, failure, [Abandon(ask=ask)])

    def on_try_late(self, now: float, ask: int) -> tuple[list[Action], Done | None]:
        """Take in that `ask` has had its time: another server is asked beside it; its answer still counts."""
        exchange = self._tries.get(ask)
        if exchange is None:
            return [], None
        self.timeouts += 1
        tried = exchange.open[ask]
        state = self._upstreams.state(tried.server)
        state.failed(now, "no answer in time")
        if tried.outbound.cookie and (not state.gives_cookies or state.failures >= DOWN_AFTER):
            state.spare_cookies(now)  # it may be the cookie that is not answered
        return self._next_server(now, exchange), None

    def on_exchange_over(self, exchange_id: int) -> tuple[list[Action], Done | None]:
        """Take in that the time of an exchange is over."""
        exchange = self._exchanges.get(exchange_id)
        if exchange is None:
            return [], None
        return self._done(exchange, exchange.worst, exchange.worst_from, [])

    def _again(
        self, now: float, exchange: Exchange, server: Server, transport: Transport, actions: list[Action]
    ) -> tuple[list[Action], Done | None]:
        """Ask the same server in another way; one that we can find no way to talk to has failed."""
        sent = self._send(now, exchange, server, transport)
        if sent:
            return actions + sent, None
        return self._failed(now, exchange, server, Malformed(detail=f"{server}: no way to talk to it"), actions)

    def _next_server(self, now: float, exchange: Exchange) -> list[Action]:
        if not exchange.servers:
            return []
        server = exchange.servers.pop(0)
        return self._send(now, exchange, server, server.over)

    def _send(self, now: float, exchange: Exchange, server: Server, transport: Transport) -> list[Action]:
        if exchange.tries >= TRIES_MAX:
            return []
        exchange.tries += 1
        self._next_try += 1
        self.sent += 1
        state = self._upstreams.state(server)
        outbound = Outbound(
            id=self._rng.getrandbits(16),
            question=exchange.question,
            cased_qname=self._cased(
                exchange.question.qname, keeps_case=transport in _FORGEABLE and now >= state.no_case_until_s
            ),
            do=exchange.do,
            cd=exchange.cd,
            edns=now >= state.no_edns_until_s,
            cookie=self._cookie(now, state, transport),
        )
        ask = self._next_try
        exchange.open[ask] = Try(
            exchange=exchange.id, server=server, transport=transport, outbound=outbound, sent_at_s=now
        )
        self._tries[ask] = exchange
        wait_s = TCP_WAIT_S if transport is Transport.TCP else state.rto_s()
        self._timers.set(("try", ask), now + wait_s)
        return [Ask(ask=ask, server=server, transport=transport, query=outbound)]

    def _failed(
        self, now: float, exchange: Exchange, server: Server, failure: Failure, actions: list[Action]
    ) -> tuple[list[Action], Done | None]:
        """Go on to a server that has not said anything yet; when there is none, the failure is the outcome."""
        if isinstance(exchange.worst, Timeout) or isinstance(failure, ServFail):
            exchange.worst, exchange.worst_from = failure, server
        if not isinstance(failure, Timeout):
            exchange.servers = [other for other in exchange.servers if other != server]  # it has said its word
        if isinstance(failure, ServFail | Refused):  # and would say it again to the tries that are still open
            for ask in [ask for ask, tried in exchange.open.items() if tried.server == server]:
                self._close(exchange, ask)
                actions = [*actions, Abandon(ask=ask)]
        actions = actions + self._next_server(now, exchange)
        if not exchange.open:
            return self._done(exchange, exchange.worst, exchange.worst_from, actions)
        return actions, None

    def _done(
        self, exchange: Exchange, outcome: Outcome, server: Server | None, actions: list[Action]
    ) -> tuple[list[Action], Done | None]:
        for ask in list(exchange.open):
            self._close(exchange, ask)
            actions = [*actions, Abandon(ask=ask)]
        del self._exchanges[exchange.id]
        self._background -= exchange.background
        self._timers.clear(("exchange", exchange.id))
        return actions, Done(purpose=exchange.purpose, question=exchange.question, outcome=outcome, server=server)

    def _close(self, exchange: Exchange, ask: int) -> Try:
        self._timers.clear(("try", ask))
        del self._tries[ask]
        return exchange.open.pop(ask)

    def _cookie(self, now: float, state: ServerState, transport: Transport) -> bytes:
        """Return the cookie to send; none to a server that is spared them, but by TCP to one that gave some before."""
        if transport not in _FORGEABLE or now < state.no_edns_until_s:
            return b""
        spared = now < state.no_cookies_until_s and not (state.gives_cookies and transport is Transport.TCP)
        return b"" if spared else state.cookie_at(now, self._rng)

    def _cased(self, qname: str, *, keeps_case: bool) -> str:
        if not keeps_case:
            return qname
        plain = qname.encode("ascii")
        letters = int.from_bytes(plain.translate(_CASE_BITS))
        flipped = int.from_bytes(plain) ^ (letters & self._rng.getrandbits(8 * len(plain)))
        return flipped.to_bytes(len(plain)).decode("ascii")


def _is_in_doubt(now: float, tried: Try, heard: Heeded, state: ServerState) -> bool:
    """Say whether a forger may have said what a server that gives cookies would not; TCP tells. Keeps its cookie."""
    match heard:
        case Heard(cookie=cookie) if cookie:
            state.gave_cookie(cookie)
        case Heard() | Unreadable() if tried.transport is Transport.UDP:
            return state.gives_cookies
        case Heard() if tried.outbound.cookie:
            state.gave_no_cookie(now)
    return False


# Transports that anybody could speak on; the others need neither letter case nor cookies.
_FORGEABLE = frozenset({Transport.UDP, Transport.TCP})

# For each octet the bit that tells its lower from its upper case, where it is a letter.
_CASE_BITS = bytes(0x20 if chr(octet).isalpha() and octet < 0x80 else 0 for octet in range(256))
