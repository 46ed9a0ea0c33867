"""What an etcd member answers, said by scripted ones: which answers leave a write open, which are refusals."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import pytest

from standfast.control.store import PlanStoreError
from standfast.io.control.stores import etcd as etcd_store
from standfast.io.control.stores import etcd_gateway
from standfast.io.control.stores.etcd import EtcdPlanStore
from standfast.io.control.stores.etcd_gateway import EtcdGateway
from standfast.io.roots import Roots

PATIENCE_S: Final = 20.0  # for what takes milliseconds, on a machine that is busy
TXN: Final = "/v3/kv/txn"
AUTHENTICATE: Final = "/v3/auth/authenticate"
WATCH: Final = "/v3/watch"
RANGE: Final = "/v3/kv/range"

Said: TypeAlias = tuple[int, Mapping[str, Any]]

DONE: Final[Said] = (200, {"succeeded": True})
SILENCE: Final[Said] = (0, {})  # an answer that never comes


@dataclass
class Member:
    """A member that says what it is told to, one answer after the other, and the last one from then on."""

    answers: Mapping[str, Sequence[Said]]
    asked: list[str] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        await reader.readexactly(int(head.lower().partition("content-length:")[2].split()[0]))
        answers = self.answers[path]
        status, said = answers[min(self.asked.count(path), len(answers) - 1)]
        self.asked.append(path)
        if not status:
            await reader.read()  # until the client has enough of it
        else:
            body = json.dumps(said).encode() + b"\n"
            writer.write(f"HTTP/1.1 {status} So\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()


@asynccontextmanager
async def serving(*members: Member) -> AsyncIterator[None]:
    servers = [await asyncio.start_server(each.serve, "127.0.0.1", 0) for each in members]
    for member, server in zip(members, servers, strict=True):
        member.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield
    finally:
        for server in servers:
            server.close()


def gateway(*members: Member, user: tuple[str, str] | None = None) -> EtcdGateway:
    return EtcdGateway([each.url for each in members], context=Roots().probes, user=user)


def failure(status: int, code: int, message: str) -> Said:
    """Return what etcd's gateway says of an error of gRPC."""
    return status, {"error": message, "message": message, "code": code}


OPEN: Final = {
    "a new leader": failure(503, 14, "etcdserver: leader changed"),
    "a new leader, as a later gateway may say it": failure(409, 14, "etcdserver: leader changed"),
    "a slow one": failure(503, 14, "etcdserver: request timed out"),
    "a leader lost": failure(503, 14, "etcdserver: request timed out, possibly due to previous leader failure"),
    "none": failure(503, 14, "etcdserver: no leader"),
    "a member that ends": failure(503, 14, "etcdserver: server stopped"),
    "a call that was given up": failure(408, 1, "context canceled"),
    "too much at once": failure(500, 2, "etcdserver: too many requests"),
    "something between": (502, {"error": "Bad Gateway"}),
}
REFUSED: Final = {
    "no right": failure(403, 7, "etcdserver: permission denied"),
    "no space": failure(429, 8, "etcdserver: mvcc: database space exceeded"),
    "too large": failure(400, 3, "etcdserver: request is too large"),
    "no such thing": failure(404, 5, "etcdserver: requested lease not found"),
    "plain words": (400, {"error": "CommonName of client"}),
}


@pytest.mark.parametrize("said", OPEN.values(), ids=OPEN)
def test_a_write_that_may_be_done_yet_is_not_sent_again_and_said_to_be_open(said: Said) -> None:
    async def run() -> None:
        one, other = Member({TXN: [said]}), Member({TXN: [DONE]})
        async with serving(one, other):
            asked = gateway(one, other)
            with pytest.raises(PlanStoreError, match=r"etcd cannot be used: .*Whether it was done is not known"):
                await asked.write(TXN, {})
            assert (one.asked, other.asked) == ([TXN], [])
            assert (await asked.write(TXN, {}))["succeeded"], "the next write goes to another member"
            assert (one.asked, other.asked) == ([TXN], [TXN])

    asyncio.run(run())


@pytest.mark.parametrize("said", OPEN.values(), ids=OPEN)
def test_what_changes_nothing_is_asked_of_the_next_member(said: Said) -> None:
    async def run() -> None:
        one, other = Member({RANGE: [said]}), Member({RANGE: [(200, {"kvs": []})]})
        async with serving(one, other):
            assert await gateway(one, other).read(RANGE, {}) == {"kvs": []}
            with pytest.raises(PlanStoreError, match="etcd cannot be used") as told:
                await gateway(one).read(RANGE, {})
            assert "not known" not in str(told.value)

    asyncio.run(run())


@pytest.mark.parametrize("said", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_was_not_done_and_no_other_member_is_asked(said: Said) -> None:
    async def run() -> None:
        one, other = Member({TXN: [said], RANGE: [said]}), Member({TXN: [DONE], RANGE: [DONE]})
        async with serving(one, other):
            asked = gateway(one, other)
            for ask in (asked.write(TXN, {}), asked.read(RANGE, {})):
                with pytest.raises(PlanStoreError, match=rf"refuses: {said[1]['error']}\. ") as told:
                    await ask
                assert "not known" not in str(told.value)
            assert other.asked == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "said",
    [
        failure(401, 16, "etcdserver: invalid auth token"),
        failure(400, 3, "etcdserver: user name is empty"),
        failure(400, 3, "etcdserver: revision of auth store is old"),
    ],
    ids=lambda said: said[1]["message"],
)
def test_a_token_that_is_worth_nothing_any_more_is_renewed_and_the_write_sent_again(said: Said) -> None:
    async def run() -> None:
        member = Member({AUTHENTICATE: [(200, {"token": "t"})], TXN: [DONE, said, DONE]})
        async with serving(member):
            asked = gateway(member, user=("standfast", "secret"))
            await asked.write(TXN, {})
            assert (await asked.write(TXN, {}))["succeeded"]
        assert member.asked == [AUTHENTICATE, TXN, TXN, AUTHENTICATE, TXN]

    asyncio.run(run())


def test_a_member_that_can_let_nobody_in_is_passed_over_by_writes_too_as_nothing_was_asked_for() -> None:
    async def run() -> None:
        one = Member({AUTHENTICATE: [failure(503, 14, "etcdserver: leader changed")]})
        other = Member({AUTHENTICATE: [(200, {"token": "t"})], TXN: [DONE]})
        async with serving(one, other):
            asked = gateway(one, other, user=("standfast", "secret"))
            assert (await asked.write(TXN, {}))["succeeded"]
            with pytest.raises(PlanStoreError, match=r"etcd cannot be used: .*leader changed") as told:
                await gateway(one, user=("standfast", "secret")).write(TXN, {})
            assert "not known" not in str(told.value)

    asyncio.run(run())


def test_a_watch_that_is_refused_gets_a_new_token_the_next_time() -> None:
    async def run() -> None:
        refused = (200, {"result": {"canceled": True, "cancel_reason": "etcdserver: permission denied"}})
        event = (200, {"result": {"events": [{"kv": {"mod_revision": "9"}}]}})
        member = Member({AUTHENTICATE: [(200, {"token": "t"})], WATCH: [refused, event]})
        async with serving(member):
            asked = gateway(member, user=("standfast", "secret"))
            with pytest.raises(PlanStoreError, match="refuses: etcdserver: permission denied"):
                await asked.watch(b"a", b"b", since=1)
            assert await asked.watch(b"a", b"b", since=1) == 9
        assert member.asked == [AUTHENTICATE, WATCH] * 2

    asyncio.run(run())


def test_a_watch_whose_member_says_nothing_at_all_goes_on_at_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd_gateway, "CALL_S", 0.5)
    monkeypatch.setattr(etcd_store, "QUIET_S", 0.1)

    async def run() -> None:
        stalled = Member({WATCH: [SILENCE], RANGE: [SILENCE]})
        event = (200, {"result": {"events": [{"kv": {"mod_revision": "9"}}]}})
        well = Member({WATCH: [event], RANGE: [(200, {"header": {"revision": "9"}})]})
        async with serving(stalled, well):
            assert await EtcdPlanStore(gateway(stalled, well)).changed(1, PATIENCE_S) == 9
        assert stalled.asked == [WATCH, RANGE]

    asyncio.run(run())
