"""The shell with a scripted core: what happens is reported, what is wanted is done, and nothing is left behind."""

import asyncio
import os
import shutil
import socket
from collections.abc import Callable, Coroutine, Hashable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog.testing

from standfast.dns.codec import decode_incoming, decode_query, encode_outbound, encode_response, rrset_from_text
from standfast.dns.exchange import Heard, Heeded, Outbound
from standfast.dns.model import Query, Question, Rcode, Reply, RRType
from standfast.dns.servers import Server, Transport
from standfast.drills.live.authority import Certificate, issue_self_signed
from standfast.evidence.model import Identity, ProbeResult, ProbeSpec
from standfast.guard.events import (
    Abandon,
    Action,
    Alarm,
    Ask,
    Forget,
    JsonValue,
    Probe,
    Record,
    Remember,
    Respond,
    Switch,
)
from standfast.guard.known import Answer, KnownGood
from standfast.guard.operators import Operated
from standfast.io import guard_service
from standfast.io.clients.certificates import OwnCertificate
from standfast.io.clients.listener import ListenError
from standfast.io.clock import SteadyClock
from standfast.io.guard_service import GuardService
from standfast.io.roots import Roots
from standfast.io.settings.addresses import ListenAddress, Scheme
from standfast.io.settings.certificate_files import CertificateFiles

QUESTION = Question("www.example.org.", RRType.A)
OUTBOUND = Outbound(id=7, question=QUESTION, cased_qname="www.example.org.")
ADDRESS = rrset_from_text("www.example.org.", RRType.A, 60, ["192.0.2.1"])
REPLY = Reply(rcode=Rcode.NOERROR, answer=(ADDRESS,))
KNOWN = KnownGood(
    question=QUESTION, answer=Answer(rrsets=(ADDRESS,)), first_seen_s=1.0, confirmed_at_s=2.0, changed_at_s=1.0
)
LOOPBACK = Server("127.0.0.1", 0)


@dataclass
class ScriptedCore:
    """Answers every event with the next actions of its script, and notes what it was told."""

    script: Callable[[str, object], list[Action]] = lambda _kind, _what: []
    told: asyncio.Queue[tuple[str, object]] = field(default_factory=asyncio.Queue)
    wakes: list[float] = field(default_factory=list)
    hits: int = 0

    def on_query(self, now: float, client: Hashable, query: Query) -> list[Action]:
        return self._take("query", (client, query))

    def count_hits(self, number: int) -> None:
        self.hits += number

    def on_heard(self, now: float, ask: int, heard: Heeded) -> list[Action]:
        return self._take("heard", (ask, heard))

    def on_ask_failed(self, now: float, ask: int, detail: str) -> list[Action]:
        return self._take("failed", (ask, detail))

    def on_probed(self, now: float, probe: int, result: ProbeResult) -> list[Action]:
        return self._take("probed", (probe, result))

    def on_time(self, now: float) -> list[Action]:
        due = self.wakes.pop(0)
        assert now >= due - 0.01
        return self._take("time", due)

    def next_time(self) -> float | None:
        return self.wakes[0] if self.wakes else None

    async def next(self) -> tuple[str, object]:
        return await asyncio.wait_for(self.told.get(), 5)

    def _take(self, kind: str, what: object) -> list[Action]:
        self.told.put_nowait((kind, what))
        return self.script(kind, what)


@dataclass
class Notes:
    """A store and a ledger that only note what they are told."""

    noted: list[tuple[object, ...]] = field(default_factory=list)

    def remember(self, action: Remember) -> None:
        self.noted.append(("remember", action.known))

    def forget(self, question: Question) -> None:
        self.noted.append(("forget", question))

    def switch(self, enabled: bool) -> None:
        self.noted.append(("switch", enabled))

    def append(self, kind: str, body: Mapping[str, JsonValue], at_ms: int) -> None:
        self.noted.append(("append", kind, dict(body), at_ms))


@pytest.fixture(scope="module")
def roots() -> Roots:
    return Roots()


def service_of(
    core: ScriptedCore,
    roots: Roots,
    *,
    notes: Notes | None = None,
    clock: SteadyClock | None = None,
    certificate: OwnCertificate | None = None,
) -> GuardService:
    notes = notes or Notes()
    return GuardService(
        core,
        clock=clock or SteadyClock(),
        store=notes,
        ledger=notes,
        listen=[ListenAddress(LOOPBACK)],
        roots=roots,
        certificate=certificate,
    )


def run(scene: Coroutine[None, None, None]) -> None:
    async def play() -> None:
        await asyncio.wait_for(scene, 20)

    asyncio.run(play())


async def asked(service: GuardService) -> bytes:
    """Ask the service by UDP, and return its answer."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)) as client:
        client.connect((service.bound[0].server.host, service.bound[0].server.port))
        client.send(encode_outbound(OUTBOUND))
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 4096), 5)


def operated(*actions: Action) -> Callable[[float], Operated]:
    return lambda _now: Operated(list(actions), {"done": True})


def test_a_client_gets_what_the_core_says(roots: Roots) -> None:
    def respond(kind: str, what: object) -> list[Action]:
        assert isinstance(what, tuple)
        return [Respond(client=what[0], query=what[1], reply=REPLY)]

    async def scene() -> None:
        async with service_of(ScriptedCore(respond), roots) as service:
            assert decode_incoming(await asked(service), OUTBOUND) == Heard(reply=REPLY)

    run(scene())


def test_an_ask_is_sent_and_its_answer_told(roots: Roots) -> None:
    async def scene() -> None:
        core = ScriptedCore()
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)) as upstream:
            upstream.bind(("127.0.0.1", 0))
            server = Server(*upstream.getsockname())
            async with service_of(core, roots) as service:
                service.operate(operated(Ask(ask=5, server=server, transport=Transport.UDP, query=OUTBOUND)))
                wire, sender = await asyncio.get_running_loop().sock_recvfrom(upstream, 4096)
                query = decode_query(wire)
                assert isinstance(query, Query)
                upstream.sendto(encode_response(query, REPLY), sender)
                assert await core.next() == ("heard", (5, Heard(reply=REPLY)))

    run(scene())


def test_an_ask_that_fails_is_told_and_one_that_was_abandoned_is_not(roots: Roots) -> None:
    async def scene() -> None:
        core = ScriptedCore()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            server = Server(*closed.getsockname())
        async with service_of(core, roots) as service:
            service.operate(
                operated(
                    Ask(ask=1, server=server, transport=Transport.TCP, query=OUTBOUND),
                    Abandon(ask=1),
                    Ask(ask=2, server=server, transport=Transport.TCP, query=OUTBOUND),
                )
            )
            assert await core.next() == ("failed", (2, "connection refused"))

    run(scene())


def test_a_probe_is_taken_and_its_result_told(roots: Roots) -> None:
    async def scene() -> None:
        core = ScriptedCore()
        with socket.create_server(("127.0.0.1", 0)) as there:
            spec = ProbeSpec(kind="tcp", port=there.getsockname()[1])
            async with service_of(core, roots) as service:
                service.operate(
                    operated(Probe(probe=3, qname="www.example.org.", address="127.0.0.1", spec=spec, timeout_s=2.0))
                )
                kind, what = await core.next()
        assert isinstance(what, tuple)
        number, result = what
        assert (kind, number) == ("probed", 3)
        assert (result.address, result.identity, result.reachable) == ("127.0.0.1", Identity.UNKNOWN, True)

    run(scene())


def test_what_is_to_be_kept_goes_to_the_store_and_the_ledger(roots: Roots) -> None:
    async def scene() -> None:
        notes = Notes()
        async with service_of(ScriptedCore(), roots, notes=notes) as service:
            answer = service.operate(
                operated(
                    Remember.of(KNOWN),
                    Forget(question=QUESTION),
                    Switch(enabled=False),
                    Record(kind="verdict", at_s=1_795_000_000.1239, body={"name": "www.example.org."}),
                )
            )
        assert answer == {"done": True}
        assert notes.noted == [
            ("remember", KNOWN),
            ("forget", QUESTION),
            ("switch", False),
            ("append", "verdict", {"name": "www.example.org."}, 1_795_000_000_124),
        ]

    run(scene())


def test_an_alarm_is_an_event_in_the_log(roots: Roots) -> None:
    async def scene() -> None:
        async with service_of(ScriptedCore(), roots) as service:
            service.operate(operated(Alarm(event="guard.attack", fields={"name": "www.example.org."})))

    with structlog.testing.capture_logs() as logs:
        run(scene())
    assert {"event": "guard.attack", "name": "www.example.org.", "log_level": "warning"} in logs


def test_the_core_is_woken_at_its_times_and_at_a_new_one_that_comes_before(roots: Roots) -> None:
    async def scene() -> None:
        clock = SteadyClock()
        now = clock.now()
        core = ScriptedCore(wakes=[now + 0.05, now + 0.1, now + 3600])
        async with service_of(core, roots, clock=clock) as service:
            assert [await core.next(), await core.next()] == [("time", now + 0.05), ("time", now + 0.1)]
            core.wakes.insert(0, now + 0.15)
            service.operate(operated())
            assert await core.next() == ("time", now + 0.15)
            assert core.wakes == [now + 3600]

    run(scene())


def test_a_time_that_is_over_already_does_not_spin_the_event_loop(
    roots: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard_service, "TICK_MIN_S", 0.05)

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        core = ScriptedCore(wakes=[0.0] * 10)
        async with service_of(core, roots):
            begun = loop.time()
            for _ in range(5):
                await core.next()
            assert loop.time() - begun > 0.15

    run(scene())


def test_a_fault_in_the_core_costs_one_event_and_not_the_guard(roots: Roots) -> None:
    def stumble_once(kind: str, what: object) -> list[Action]:
        faults.append(kind)
        if len(faults) <= 2:
            raise ZeroDivisionError
        assert isinstance(what, tuple)
        return [Respond(client=what[0], query=what[1], reply=REPLY)]

    faults: list[str] = []

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: caught.append(context["exception"]))
        clock = SteadyClock()
        core = ScriptedCore(stumble_once, wakes=[clock.now(), clock.now() + 3600])
        async with service_of(core, roots, clock=clock) as service:
            assert (await core.next())[0] == "time"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asked(service), 0.2)
            assert decode_incoming(await asked(service), OUTBOUND) == Heard(reply=REPLY)

    caught: list[BaseException] = []
    run(scene())
    assert [type(error) for error in caught] == [ZeroDivisionError] * 2


def test_a_jump_of_the_wall_clock_is_told_once(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_service, "LOOK_S", 0.01)
    wall_s = 1_795_000_000.0
    looks = 0

    def look() -> float:
        nonlocal looks
        looks += 1
        return wall_s if looks < 3 else wall_s + 3600

    async def scene() -> None:
        clock = SteadyClock(wall=look, boot=lambda: 500.0)
        async with service_of(ScriptedCore(), roots, clock=clock):
            while looks < 8:
                await asyncio.sleep(0.01)

    with structlog.testing.capture_logs() as logs:
        run(scene())
    assert [log for log in logs if log["event"] == "clock.jumped"] == [
        {"event": "clock.jumped", "ahead_s": 3600.0, "log_level": "warning"}
    ]


def test_a_new_certificate_is_noticed_by_itself(roots: Roots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_service, "LOOK_S", 0.01)
    issued = [issue_self_signed(tmp_path, ["ns.example.org"]) for _ in range(2)]
    files = CertificateFiles(certificate=tmp_path / "own.pem", key=tmp_path / "own.key")

    def install(certificate: Certificate) -> None:
        shutil.copy(certificate.cert_file, files.certificate)
        shutil.copy(certificate.key_file, files.key)

    async def scene() -> None:
        install(issued[0])
        own = OwnCertificate(files)
        before = own.context(Scheme.DOT)
        async with service_of(ScriptedCore(), roots, certificate=own):
            install(issued[1])
            while own.context(Scheme.DOT) is before:
                await asyncio.sleep(0.01)

    run(scene())


def test_a_stop_leaves_no_socket_and_no_task_behind(roots: Roots) -> None:
    async def scene() -> None:
        before = open_files()
        with (
            socket.create_server(("127.0.0.1", 0)) as silent,
            closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as upstream,
        ):
            upstream.bind(("127.0.0.1", 0))
            server = Server(*silent.getsockname())
            spec = ProbeSpec(port=server.port)
            service = service_of(ScriptedCore(wakes=[2e9]), roots)
            await service.start()
            service.operate(
                operated(
                    Ask(ask=1, server=Server(*upstream.getsockname()), transport=Transport.UDP, query=OUTBOUND),
                    Ask(ask=2, server=server, transport=Transport.TCP, query=OUTBOUND),
                    Probe(probe=1, qname="www.example.org.", address="127.0.0.1", spec=spec, timeout_s=60.0),
                )
            )
            reader, writer = await asyncio.open_connection("127.0.0.1", service.bound[0].server.port)
            await service.stop()
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        assert asyncio.all_tasks() <= {asyncio.current_task(), *begun}
        assert open_files() == before

    begun: set[asyncio.Task[object]] = set()

    async def play() -> None:
        begun.update(asyncio.all_tasks())
        await scene()

    asyncio.run(play())


def open_files() -> int:
    return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))


def test_what_comes_after_the_stop_is_not_done(roots: Roots) -> None:
    async def scene() -> None:
        notes = Notes()
        service = service_of(ScriptedCore(), roots, notes=notes)
        async with service:
            pass
        service.operate(operated(Switch(enabled=False)))
        assert notes.noted == []

    run(scene())


def test_what_is_for_the_map_is_kept_apart_from_what_is_known_to_be_good(roots: Roots) -> None:
    async def scene() -> None:
        notes, surveyed = Notes(), Notes()
        remember, forget = Remember.of(KNOWN), Forget(question=KNOWN.question)
        async with GuardService(
            ScriptedCore(),
            clock=SteadyClock(),
            store=notes,
            surveyed=surveyed,
            ledger=notes,
            listen=[ListenAddress(LOOPBACK)],
            roots=roots,
        ) as service:
            service.operate(operated(replace(remember, for_map=True), replace(forget, for_map=True)))
            assert notes.noted == []
            service.operate(operated(remember, forget))
        assert notes.noted == surveyed.noted == [("remember", KNOWN), ("forget", KNOWN.question)]

    run(scene())


def test_an_address_that_is_taken_fails_the_start_and_closes_the_others(roots: Roots) -> None:
    async def scene() -> None:
        before = open_files()
        notes = Notes()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            service = GuardService(
                ScriptedCore(),
                clock=SteadyClock(),
                store=notes,
                ledger=notes,
                listen=[ListenAddress(LOOPBACK), ListenAddress(Server(*taken.getsockname()))],
                roots=roots,
            )
            with pytest.raises(ListenError):
                await service.start()
        assert open_files() == before

    run(scene())
