"""Whether the guard can answer: the page `/healthz`, for load balancers and the like. Judges by what is known anyway.

It is healthy while it can give answers, if only held ones. A disk that is full does not make it sick: taking it away
would help nobody. That it answers at all says that its event loop turns.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from standfast.guard.upstreams import DOWN_AFTER
from standfast.io.telemetry.metrics import Sources
from standfast.io.telemetry.pages import Page


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What health hangs on. `upstreams_down` are those whose last tries all failed."""

    upstreams: int
    upstreams_down: Sequence[str]
    enabled: bool
    known_good: int
    workers_missing: int = 0
    store_failure: str | None = None
    ledger_failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether answers can be given, and in words what is wrong."""

    healthy: bool
    troubles: tuple[str, ...]


def judge(facts: Facts) -> Health:
    """Say how a guard is of which `facts` are true."""
    troubles = [f"upstream {server} does not answer" for server in facts.upstreams_down]
    healthy = True
    if len(facts.upstreams_down) == facts.upstreams:
        if not facts.enabled:
            healthy = False
            troubles.append("nothing can be answered but from the cache: the guard is off")
        elif not facts.known_good:
            healthy = False
            troubles.append("nothing can be answered but from the cache: no answer is known to be good")
    if facts.workers_missing:
        troubles.append(f"workers that do not serve now: {facts.workers_missing}")
    if facts.store_failure is not None:
        troubles.append(f"known-good answers are not written: {facts.store_failure}")
    if facts.ledger_failure is not None:
        troubles.append(f"the ledger is not written: {facts.ledger_failure}")
    return Health(healthy=healthy, troubles=tuple(troubles))


def health_page(sources: Sources) -> Callable[[], Page]:
    """Return what makes the page `/healthz`: 200 where answers can be given, else 503, and the words as JSON."""

    def page() -> Page:
        health = judge(_facts(sources))
        status = HTTPStatus.OK if health.healthy else HTTPStatus.SERVICE_UNAVAILABLE
        body = {"healthy": health.healthy, "troubles": health.troubles}
        return Page(status=status, content_type="application/json", body=json.dumps(body).encode() + b"\n")

    return page


def _facts(sources: Sources) -> Facts:
    resolver = sources.resolver
    upstreams = resolver.settings.upstreams
    return Facts(
        upstreams=len(upstreams),
        upstreams_down=[str(s) for s in upstreams if resolver.upstreams.state(s).failures >= DOWN_AFTER],
        enabled=resolver.enabled,
        known_good=len(resolver.memory),
        workers_missing=sources.service.workers.number - len(sources.service.workers.serving),
        store_failure=sources.store.failure,
        ledger_failure=sources.ledger.refusal,
    )
