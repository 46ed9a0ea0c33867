"""Spans of what a miss takes: one for a client's question that waits, and below it one for each query and probe.

Looks on as the core's actions pass by, and decides nothing. What becomes of a span that has ended is for who is told.
Attributes are those of OpenTelemetry's semantic conventions where there are any (`dns.`, `server.`, `network.`,
`error.type`); what they have no name for is under `standfast.`. Who asked is in none of them.
"""

import random
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar, assert_never

from standfast.dns.exchange import CaseChanged, Heard, Heeded, Unreadable
from standfast.dns.model import Query, Question, Rcode, addresses_of, rcode_name, type_name
from standfast.dns.servers import Transport
from standfast.evidence.model import Identity, ProbeResult
from standfast.guard.events import Abandon, Action, Ask, Probe, Respond
from standfast.guard.verdict import Verdict
from standfast.io.guard_service import Core
from standfast.ports import Random

QUESTION_SPAN: Final = "dns.question"
OPEN_MAX: Final = 10_000  # spans that have not ended, of each kind; the oldest is given up
PARENTS_MAX: Final = 1_024  # names whose last question is remembered, for what is done for them after its answer

Attribute = str | int | tuple[str, ...]
Id = TypeVar("Id", bound=Hashable)


@dataclass(slots=True, kw_only=True)
class Span:
    """One piece of work. Times in seconds since the epoch; the IDs are those of W3C Trace Context."""

    name: str
    trace_id: int
    span_id: int
    parent_id: int | None
    begun_at_s: float
    ended_at_s: float = 0.0
    attributes: dict[str, Attribute] = field(default_factory=dict)
    error: str | None = None  # `error.type`, where it came to nothing


class TracedCore:
    """A core that is looked on at: what goes in and comes out is the same."""

    def __init__(
        self,
        core: Core,
        *,
        verdict_of: Callable[[Question], Verdict | None],
        on_end: Callable[[Span], None],
        rng: Random | None = None,
    ) -> None:
        """Look on at `core`.

        Args:
            core: who is asked.
            verdict_of: the standing verdict of a lost question; None where nothing is lost.
            on_end: is given every span that has ended, and must not block.
            rng: picks the IDs.
        """
        self._core = core
        self._verdict_of = verdict_of
        self._on_end = on_end
        self._rng = rng or random.Random()  # noqa: S311  an ID is no secret
        self._questions: OrderedDict[Hashable, Span] = OrderedDict()  # by client
        self._asks: OrderedDict[int, Span] = OrderedDict()
        self._probes: OrderedDict[int, Span] = OrderedDict()
        self._parents: OrderedDict[str, Span] = OrderedDict()  # by qname

    # As a core ------------------------------------------------------------------------------------------------

    def on_query(self, now: float, client: Hashable, query: Query) -> list[Action]:
        """Hand a query on; a span begins where its client must wait."""
        actions = self._core.on_query(now, client, query)
        if not any(isinstance(action, Respond) for action in actions):
            self._begin_question(now, client, query, is_first=any(isinstance(action, Ask) for action in actions))
        return list(self._seen(now, actions))

    def count_hits(self, number: int) -> None:
        """Hand on how many queries were answered without the core."""
        self._core.count_hits(number)

    def on_heard(self, now: float, ask: int, heard: Heeded) -> Iterator[Action]:
        """Hand on what came back; the span of the query ends."""
        if (span := self._asks.pop(ask, None)) is not None:
            self._end_ask(now, span, heard)
        return self._seen(now, self._core.on_heard(now, ask, heard))

    def on_ask_failed(self, now: float, ask: int, detail: str) -> Iterator[Action]:
        """Hand on that a query came to nothing; its span ends."""
        if (span := self._asks.pop(ask, None)) is not None:
            span.attributes["standfast.detail"] = detail
            self._end(now, span, "failed", error="unreachable")
        return self._seen(now, self._core.on_ask_failed(now, ask, detail))

    def on_probed(self, now: float, probe: int, result: ProbeResult) -> list[Action]:
        """Hand on what a probe found; its span ends."""
        if (span := self._probes.pop(probe, None)) is not None:
            span.attributes["standfast.detail"] = result.detail
            self._end(now, span, result.identity, error="absent" if result.identity is Identity.ABSENT else None)
        return list(self._seen(now, self._core.on_probed(now, probe, result)))

    def on_time(self, now: float) -> list[Action]:
        """Hand on that time has passed."""
        return list(self._seen(now, self._core.on_time(now)))

    def next_time(self) -> float | None:
        """Return when the core wants to be called next."""
        return self._core.next_time()

    # What passes by -------------------------------------------------------------------------------------------

    def _seen(self, now: float, actions: Iterable[Action]) -> Iterator[Action]:
        for action in actions:
            match action:
                case Respond():
                    if (span := self._questions.pop(action.client, None)) is not None:
                        self._end_question(now, span, action)
                case Ask():
                    self._begin_ask(now, action)
                case Abandon():
                    if (span := self._asks.pop(action.ask, None)) is not None:
                        self._end(now, span, "unanswered")  # another was quicker, or the time is over
                case Probe():
                    self._begin_probe(now, action)
                case _:
                    pass
            yield action

    def _begin_question(self, now: float, client: Hashable, query: Query, *, is_first: bool) -> None:
        span = self._begin(now, QUESTION_SPAN, query.question.qname, child=False)
        span.attributes["standfast.question.type"] = type_name(query.question.qtype)
        _keep(self._questions, client, span, OPEN_MAX)
        if is_first:  # who joins a question that is asked already has no queries of his own
            _keep(self._parents, query.question.qname, span, PARENTS_MAX)

    def _end_question(self, now: float, span: Span, given: Respond) -> None:
        question, reply = given.query.question, given.reply
        verdict = self._verdict_of(question)
        action, cause = ("fresh", "none") if verdict is None else (verdict.action, verdict.cause)
        span.attributes["standfast.verdict.action"] = str(action)
        span.attributes["standfast.verdict.cause"] = str(cause)
        if verdict is not None:
            span.attributes["standfast.verdict.reason"] = verdict.reason
        if addresses := addresses_of(reply.answer):
            span.attributes["dns.answers"] = tuple(addresses)
        self._end(now, span, rcode_name(reply.rcode), error=_error(reply.rcode))

    def _begin_ask(self, now: float, ask: Ask) -> None:
        question = ask.query.question
        span = self._begin(now, "dns.query", question.qname, child=True)
        span.attributes |= {
            "standfast.question.type": type_name(question.qtype),
            "server.address": ask.server.host,
            "server.port": ask.server.port,
            "network.transport": "udp" if ask.transport is Transport.UDP else "tcp",
            "standfast.upstream.transport": str(ask.transport),
        }
        _keep(self._asks, ask.ask, span, OPEN_MAX)

    def _end_ask(self, now: float, span: Span, heard: Heeded) -> None:
        match heard:
            case Heard(truncated=True):
                self._end(now, span, "truncated")
            case Heard(reply=reply):
                self._end(now, span, rcode_name(reply.rcode), error=_error(reply.rcode))
            case CaseChanged():
                self._end(now, span, "letter case changed", error="case_changed")
            case Unreadable(detail=detail):
                span.attributes["standfast.detail"] = detail
                self._end(now, span, "unreadable", error="unreadable")
            case _:
                assert_never(heard)

    def _begin_probe(self, now: float, probe: Probe) -> None:
        span = self._begin(now, "probe", probe.qname, child=True)
        span.attributes |= {
            "server.address": probe.address,
            "server.port": probe.spec.port,
            "network.transport": "tcp",
            "standfast.probe.kind": probe.spec.kind,
        }
        _keep(self._probes, probe.probe, span, OPEN_MAX)

    def _begin(self, now: float, name: str, qname: str, *, child: bool) -> Span:
        """Begin a span, as a `child` below the last question for its name where there was one."""
        parent = self._parents.get(qname) if child else None
        return Span(
            name=name,
            trace_id=parent.trace_id if parent else self._rng.getrandbits(128) | 1,  # zero is none
            span_id=self._rng.getrandbits(64) | 1,
            parent_id=parent.span_id if parent else None,
            begun_at_s=now,
            attributes={"dns.question.name": qname},
        )

    def _end(self, now: float, span: Span, outcome: str, *, error: str | None = None) -> None:
        span.ended_at_s = now
        span.attributes["standfast.outcome"] = str(outcome)
        if error is not None:
            span.error = span.attributes["error.type"] = error
        self._on_end(span)


def _keep(spans: OrderedDict[Id, Span], key: Id, span: Span, spans_max: int) -> None:
    spans.pop(key, None)
    spans[key] = span
    if len(spans) > spans_max:
        spans.popitem(last=False)


def _error(rcode: int) -> str | None:
    """Return the error that a response code is; a name or data that is not there is a good answer."""
    return None if rcode in (Rcode.NOERROR, Rcode.NXDOMAIN) else rcode_name(rcode).lower()
