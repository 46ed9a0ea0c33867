"""Plays scenario scripts: a real resolver core between clients and servers whose messages another pen writes and reads.

Clients' queries and servers' responses are octets that dnspython writes, and what the guard sends is read by it; in
between are the guard's own codec, its core and its prepared answers, in virtual time. At every step these hold too:

- each query of ours is the one question that it should be, with RD and AD set;
- no client gets two responses, none gets one that is larger than it takes, and at the end each has one;
- what a prepared answer would have said is, octet for octet, what the core says.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from guard_world import RTT_S, World
from scenarios.messages import difference, octets_of, shown, wanted
from scenarios.script import (
    SILENCE,
    UNREACHABLE,
    Asks,
    Datagram,
    Gets,
    Guard,
    Plain,
    Says,
    ScriptError,
    Sent,
    Step,
    read_script,
    seconds,
)
from standfast.dns.codec import (
    Rejected,
    decode_incoming,
    decode_query,
    encode_outbound,
    encode_rejected,
    encode_response,
)
from standfast.dns.exchange import NotOurs
from standfast.dns.model import Query, Question
from standfast.dns.prepared import PreparedAnswers
from standfast.dns.servers import Server, Transport
from standfast.evidence.model import Identity, ProbeSpec
from standfast.guard.events import Action, Ask, Respond
from standfast.guard.policy import Policy

PATIENCE_S = 10.0  # that a client of a script waits for its response; those of the world give up at 5
NOT_OURS_MAX = 32  # as `io.upstream` has it


class Difference(AssertionError):
    """What came is not what the script says."""


def play(path: Path) -> None:
    """Play the scenario in the file at `path`.

    Raises:
        Difference: a step did not come out as it says; the text names the line and the difference.
        ScriptError: a line cannot be read.
    """
    steps = read_script(path)
    setting = [step.deed for step in steps if isinstance(step.deed, Guard)]
    stage = _Stage(setting)
    for step in steps:
        try:
            stage.step(step)
        except AssertionError as error:
            raise Difference(f"{path.name}:{step.line}: {step.text}\n{error}") from error
    stage.end()


@dataclass(slots=True, eq=False)
class _Client:
    """One query of a client, and the responses to it."""

    query: Query | None
    wire: bytes
    limit: int
    tcp: bool
    asked_at_s: float
    responses: list[tuple[float, bytes]] = field(default_factory=list)


class _Stage(World):
    """The world of `guard_world`, with servers that a script speaks for and messages that are octets."""

    def __init__(self, setting: Iterable[Guard]) -> None:
        upstreams, opinions, policy, settings, enabled = ["one"], list[str](), {}, dict[str, Any](), True
        for guard in setting:
            match guard.what:
                case "upstreams":
                    upstreams = list(guard.words)
                case "opinions":
                    opinions = list(guard.words)
                case "policy":
                    policy[guard.words[0]] = {key: _setting(key, text) for key, text in guard.keys.items()}
                case "settings":
                    settings |= {key: float(text) if "_s" in key else int(text) for key, text in guard.keys.items()}
                case "off":
                    enabled = False
                case other:
                    raise ScriptError(f'there is no setting "{other}"')
        self.servers = {name: Server("127.0.0.1", 5301 + n) for n, name in enumerate((*upstreams, *opinions))}
        self.scripted: list[Says] = []
        self.used: dict[int, int] = {}
        self.prepared = PreparedAnswers()
        self.clients: dict[str, _Client] = {}
        self.everyone: list[_Client] = []
        self.told: dict[tuple[str, str], int] = {}
        self._not_ours: dict[int, int] = {}
        self._wires = random.Random(1)  # the IDs of clients' queries
        super().__init__(
            upstreams=tuple(self.servers[name] for name in upstreams),
            second_opinions=tuple(self.servers[name] for name in opinions),
            policy=policy,
            enabled=enabled,
            **settings,
        )

    # Steps --------------------------------------------------------------------------------------------------------

    def step(self, step: Step) -> None:
        """Play one step."""
        match step.deed:
            case Says() as says:
                self.scripted.append(says)
            case Asks() as asks:
                self._ask_guard(asks)
            case Gets() as gets:
                self._check_response(gets)
            case Sent() as sent:
                self._check_sent(sent)
            case Guard():
                pass  # was done at the start
            case Plain() as plain:
                self._do(plain)

    def end(self) -> None:
        """See that nobody was left without a response."""
        self.run(PATIENCE_S)
        left = [client.query.question for client in self.everyone if client.query and not client.responses]
        assert not left, f"no response ever came for {left}"

    def _do(self, plain: Plain) -> None:
        match plain.verb, plain.words:
            case "wait", (time,):
                self.run(seconds(time))
            case "waits", _:
                assert not self.clients[plain.keys.get("as", "")].responses, "it has its response already"
            case "restart", _:
                self.prepared = PreparedAnswers()
                self.everyone = [client for client in self.everyone if client.responses]
                self.restart(after_s=seconds(plain.keys.get("after", "0")))
            case "probes", (*addresses, identity):
                for address in addresses:
                    self.identity[address] = None if identity == SILENCE else Identity(identity)
            case "operator", ("off" | "on" as word,):
                self.carry_out(self.core.switch(self.now, enabled=word == "on"))
            case "operator", ("release", qname, qtype):
                self.carry_out(self.core.release(self.now, _question(qname, qtype)))
            case "operator", ("hold", qname, qtype):
                until_s = self.now + seconds(plain.keys["for"])
                self.carry_out(self.core.hold(self.now, _question(qname, qtype), until_s=until_s))
            case "verdict", (qname, qtype, rule):
                name, kind = dns.name.from_text(qname).to_text(), qtype
                bodies = [record.body for record in self.records if record.kind == "verdict"]
                rules = [str(b["rule"]) for b in bodies if (b["qname"], b["qtype"]) == (name, kind)]
                assert rules[-1:] == [rule], f"  the verdicts were: {', '.join(rules) or 'none'}"
            case _:
                raise ScriptError(f"{plain.verb} {' '.join(plain.words)}: there is no such step")

    # Clients ------------------------------------------------------------------------------------------------------

    def _ask_guard(self, asks: Asks) -> None:
        flags, plain = asks.flags, "plain" in asks.flags
        message = dns.message.make_query(asks.qname, asks.qtype, id=self._wires.getrandbits(16))
        message.use_edns(-1 if plain else 0, payload=asks.payload, ednsflags=dns.flags.DO if "DO" in flags else 0)
        message.flags |= (dns.flags.AD if "AD" in flags else 0) | (dns.flags.CD if "CD" in flags else 0)
        message.flags &= ~dns.flags.RD if "noRD" in flags else 0xFFFF
        wire, tcp = message.to_wire(), "tcp" in flags
        query = decode_query(wire)
        limit = 65_535 if tcp else 512 if plain else max(512, asks.payload)
        client = _Client(query if isinstance(query, Query) else None, wire, limit, tcp, self.now)
        self.clients[asks.client] = client
        self.everyone.append(client)
        if isinstance(query, Rejected):
            client.responses.append((self.now, encode_rejected(query)))
        if not isinstance(query, Query):
            return
        prepared = None if tcp else self.prepared.get(wire, self.now)
        self.carry_out(self.core.on_query(self.now, client, query))
        if prepared is not None:
            said = [octets.hex() for _, octets in client.responses]
            assert said == [prepared.hex()], f"  prepared: {prepared.hex()}\n  the core says: {said}"

    def carry_out(self, actions: Iterable[Action]) -> None:
        """Send responses as octets; the rest is the world's."""
        for action in actions:
            if isinstance(action, Respond):
                self._respond(action)
            else:
                super().carry_out([action])

    def _respond(self, respond: Respond) -> None:
        client = respond.client
        assert isinstance(client, _Client), f"a response for {client!r}, who never asked"
        assert not client.responses, f"a second response for {respond.query.question}"
        wire = encode_response(respond.query, respond.reply, tcp=client.tcp)
        assert len(wire) <= client.limit, f"{len(wire)} octets for a client that takes {client.limit}"
        client.responses.append((self.now, wire))
        if respond.entry is not None and not client.tcp:
            respond.entry.prepare(self.prepared, client.wire, wire, self.now)

    def _check_response(self, gets: Gets) -> None:
        client = self.clients[gets.client]
        self.run(PATIENCE_S, until=lambda: bool(client.responses))
        assert client.responses, f"  no response in {PATIENCE_S:g} s"
        at_s, wire = client.responses[0]
        asked, message = dns.message.from_wire(client.wire), dns.message.from_wire(wire, one_rr_per_rrset=True)
        question = client.wire[12 : wire.find(0, 12) + 5]  # letter for letter
        assert wire[:2] + wire[12:].partition(question)[1] == client.wire[:2] + question, "  not to this query"
        came, expected = list(shown(message)), list(wanted(gets, asked))
        if gets.after_s is not None:
            came.append(f"after {at_s - client.asked_at_s:.3f} s")
            expected.append(f"after {gets.after_s:.3f} s")
        assert came == expected, difference(expected, came)

    # Servers ------------------------------------------------------------------------------------------------------

    def _ask(self, ask: Ask) -> None:
        self.asks.append((self.now, ask))
        wire = encode_outbound(ask.query)
        query = dns.message.from_wire(wire)
        (question,) = query.question
        assert query.flags & (dns.flags.RD | dns.flags.AD) == dns.flags.RD | dns.flags.AD, "RD and AD are not set"
        assert question.name.to_text().lower() == ask.query.question.qname, f"another name: {question}"
        self._under_way.add(ask.ask)
        says = self._script_of(ask, query)
        for number, datagram in enumerate(says.datagrams if says else [Datagram(what="REFUSED")]):
            after_s = RTT_S * (1 + number / 10) if datagram.after_s is None else datagram.after_s
            if datagram.what == UNREACHABLE:
                self._later(0.0, partial(self._fails, ask, "connection refused"))
            elif datagram.what != SILENCE:
                self._later(after_s, partial(self._arrives, ask, octets_of(query, datagram)))

    def _script_of(self, ask: Ask, query: dns.message.Message) -> Says | None:
        """Return what the script says last of this query."""
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        has = {
            "udp": ask.transport is Transport.UDP,
            "tcp": ask.transport is Transport.TCP,
            "edns": query.edns >= 0,
            "plain": query.edns < 0,
            "DO": bool(query.ednsflags & dns.flags.DO),
            "CD": bool(query.flags & dns.flags.CD),
        }
        for number, says in reversed(list(enumerate(self.scripted))):
            where = says.server == "*" or self.servers[says.server] == ask.server
            what = says.qname in ("*", ask.query.question.qname) and says.qtype in ("*", kind)
            used = self.used.get(number, 0)
            if where and what and all(has[each] for each in says.conditions) and used != says.times:
                self.used[number] = used + 1
                return says
        return None

    def _arrives(self, ask: Ask, wire: bytes) -> Iterable[Action]:
        if ask.ask not in self._under_way:
            return []
        heard = decode_incoming(wire, ask.query)
        if not isinstance(heard, NotOurs):
            return self._heard(ask.ask, heard)
        self._not_ours[ask.ask] = self._not_ours.get(ask.ask, 0) + 1
        if ask.transport is Transport.TCP or self._not_ours[ask.ask] >= NOT_OURS_MAX:
            return self._fails(ask, "an answer to something that was not asked")
        return []

    def _fails(self, ask: Ask, detail: str) -> Iterable[Action]:
        return self.core.on_ask_failed(self.now, ask.ask, detail) if ask.ask in self._under_way else []

    def _check_sent(self, sent: Sent) -> None:
        key = (sent.qname, sent.qtype)
        asks = [ask for _, ask in self.asked(sent.qname, dns.rdatatype.from_text(sent.qtype))]
        news, self.told[key] = asks[self.told.get(key, 0) :], len(asks)
        came = [_way(self.servers, ask) for ask in news]
        if sent.times is not None:
            assert len(came) == sent.times, f"  it was {len(came)} times: {', '.join(came)}"
            return
        expected = [" ".join((server, *sorted(flags))) for server, flags in sent.ways]
        assert came == expected, difference(expected, came)


def _way(servers: dict[str, Server], ask: Ask) -> str:
    name = next(name for name, server in servers.items() if server == ask.server)
    query, tcp = ask.query, ask.transport is Transport.TCP
    flags = {"tcp": tcp, "plain": not query.edns, "DO": query.do, "CD": query.cd}
    return " ".join((name, *sorted(flag for flag, there in flags.items() if there)))


def _question(qname: str, qtype: str) -> Question:
    return Question(dns.name.from_text(qname).to_text().lower(), int(dns.rdatatype.from_text(qtype)))


def _setting(key: str, text: str) -> object:
    """Read a policy's setting as the type that its default has."""
    if key == "probe":
        return ProbeSpec(kind=text)
    default = getattr(Policy(), key)
    if isinstance(default, bool):
        return text == "yes"
    return text if isinstance(default, str) else type(default)(text)
