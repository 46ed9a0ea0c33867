"""What Route 53 says in trouble, said by a scripted service: busy, a fence lost, something else wrong, or nothing."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from control_world import Plans, a, content
from faulty_path import http_message
from peers.aws import ENVIRON
from standfast.control.fence import Fence, fence_name, fence_rrset
from standfast.control.publishing import Batch, Late, Outcome, Refused, Unclear, Written
from standfast.dns.changes import Change
from standfast.dns.model import RRType
from standfast.dns.rdata import rrset_from_text, rrset_to_text
from standfast.io.control import enactor_service
from standfast.io.control.enactor_service import EnactorService
from standfast.io.control.journal import ControlJournal
from standfast.io.control.publishers import route53
from standfast.io.control.publishers.route53 import BUSY_RETRY_S, Route53Publisher
from standfast.io.control.stores.sqlite import SqlitePlanStore

ZONE: Final = "example.org."
STANDS: Final = Fence(generation=1, step=1, done=True, plan="0123456789abcdef", writer="a.1.1")
OURS: Final = Fence(generation=2, step=1, done=True, plan="0123456789abcdef", writer="a.1.2")
ANOTHERS: Final = Fence(generation=2, step=1, done=True, plan="fedcba9876543210", writer="b.1.1")
BATCH: Final = Batch(
    zone=ZONE,
    expect=STANDS,
    fence=OURS,
    changes=(Change(before=None, after=rrset_from_text(f"www.{ZONE}", RRType.A, 60, ["192.0.2.1"])),),
)
XMLNS: Final = 'xmlns="https://route53.amazonaws.com/doc/2013-04-01/"'


def failure(code: str, message: str, status: int = 400) -> bytes:
    said = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return answer(status, f"<ErrorResponse {XMLNS}>{said}<RequestId>1</RequestId></ErrorResponse>")


def answer(status: int, body: str) -> bytes:
    return (f"HTTP/1.1 {status} So\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


def listed(*record_sets: str) -> bytes:
    """Return one page of record sets."""
    rest = "<IsTruncated>false</IsTruncated><MaxItems>300</MaxItems>"
    name = "ListResourceRecordSetsResponse"
    return answer(
        200, f"<{name} {XMLNS}><ResourceRecordSets>{''.join(record_sets)}</ResourceRecordSets>{rest}</{name}>"
    )


def record_set(owner: str, rtype: str, *values: str) -> str:
    records = "".join(f"<ResourceRecord><Value>{value}</Value></ResourceRecord>" for value in values)
    of = f"<Name>{owner}</Name><Type>{rtype}</Type><TTL>60</TTL>"
    return f"<ResourceRecordSet>{of}<ResourceRecords>{records}</ResourceRecords></ResourceRecordSet>"


def standing(fence: Fence) -> bytes:
    """Return what is listed at the place of the fence."""
    return listed(record_set(fence_name(ZONE), "TXT", *rrset_to_text(fence_rrset(ZONE, fence))))


REJECTED: Final = failure("InvalidChangeBatch", "Tried to delete resource record set, but it was not found")
CHANGED: Final = answer(
    200,
    f"<ChangeResourceRecordSetsResponse {XMLNS}><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>"
    "<SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>",
)
AT_WWW: Final = listed(record_set(f"www.{ZONE}", "A", "192.0.2.9"))


@dataclass
class Service:
    """A service that gives its answers in turn, and keeps what it was asked."""

    answers: list[bytes]
    asked: list[bytes] = field(default_factory=list)

    @property
    def writes(self) -> Sequence[bytes]:
        return [each for each in self.asked if each.startswith(b"POST ")]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                self.asked.append(await http_message(reader))
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            writer.write(self.answer(self.asked[-1]))
        writer.close()

    def answer(self, request: bytes) -> bytes:
        """Return what it says to `request`."""
        del request
        return self.answers.pop(0)


@asynccontextmanager
async def publisher(service: Service) -> AsyncIterator[Route53Publisher]:
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield Route53Publisher("aws", endpoint_url=url, zone_ids={ZONE: "Z1"})
    finally:
        server.close()


@pytest.fixture(autouse=True)
def nobody_asks_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, text in ENVIRON.items():
        monkeypatch.setenv(key, text)


def written(service: Service) -> Outcome:
    async def run() -> Outcome:
        async with publisher(service) as there:
            return await there.write(BATCH)

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "message", "status"),
    [
        ("Throttling", "Rate exceeded", 400),
        ("ThrottlingException", "Rate exceeded", 400),
        ("PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior one", 400),
        ("RequestLimitExceeded", "Request limit exceeded", 503),
    ],
)
def test_who_is_busy_did_nothing_and_is_sent_the_same_a_while_later_by_the_enactor_alone(
    code: str, message: str, status: int
) -> None:
    service = Service([failure(code, message, status)])
    refused = written(service)
    assert refused == Refused(why=f"it says {code}: {message}", retry_s=BUSY_RETRY_S)
    assert len(service.asked) == 1, "the AWS library sends no batch again on its own"


def test_what_is_rejected_while_another_fence_stands_is_late() -> None:
    service = Service([REJECTED, standing(ANOTHERS)])
    assert written(service) == Late(found=ANOTHERS)
    assert len(service.writes) == 1


def test_what_is_rejected_while_its_own_fence_stands_was_done_before() -> None:
    service = Service([REJECTED, standing(OURS)])
    assert written(service) == Written()
    assert len(service.writes) == 1


def test_what_is_rejected_while_the_expected_fence_stands_is_made_anew_for_what_stands() -> None:
    service = Service([REJECTED, standing(STANDS), AT_WWW, CHANGED])
    assert written(service) == Written()
    first, second = service.writes
    assert b"192.0.2.9" not in first
    assert b"192.0.2.9" in second, "what is in the way goes"
    for each in (first, second):
        assert b"UPSERT" not in each
        assert STANDS.plan.encode() in each, "the fence is compared each time"


def test_what_is_rejected_again_is_refused_in_the_words_of_the_service_and_not_for_ever_sent_again() -> None:
    why = "RRSet of type CNAME with DNS name www.example.org. is not permitted"
    service = Service([REJECTED, standing(STANDS), AT_WWW, failure("InvalidChangeBatch", why), standing(STANDS)])
    assert written(service) == Refused(why=f"it says InvalidChangeBatch: {why}")
    assert len(service.writes) == 2


def test_what_is_rejected_again_since_the_fence_was_lost_meanwhile_is_late() -> None:
    service = Service([REJECTED, standing(STANDS), AT_WWW, REJECTED, standing(ANOTHERS)])
    assert written(service) == Late(found=ANOTHERS)


def test_who_is_busy_the_second_time_is_waited_for_too() -> None:
    service = Service([REJECTED, standing(STANDS), AT_WWW, failure("PriorRequestNotComplete", "wait")])
    assert written(service) == Refused(why="it says PriorRequestNotComplete: wait", retry_s=BUSY_RETRY_S)


@pytest.mark.parametrize("status", [500, 503])
def test_of_what_fails_inside_the_service_nothing_is_known(status: int) -> None:
    service = Service([failure("InternalFailure", "sorry", status)])
    assert isinstance(written(service), Unclear)
    assert len(service.asked) == 1


@dataclass
class BusyService(Service):
    """A service with one zone that has nothing in it but the fence, and that takes a batch after all its `answers`."""

    fence: bytes = b""
    at_s: list[float] = field(default_factory=list)  # when it was sent a batch

    def answer(self, request: bytes) -> bytes:
        if request.startswith(b"GET "):
            return listed(self.fence.decode())
        self.at_s.append(time.monotonic())
        if self.answers:
            return self.answers.pop(0)
        record_sets = re.findall(rb"<ResourceRecordSet>.*?</ResourceRecordSet>", request, re.DOTALL)
        (self.fence,) = (each for each in record_sets if fence_name(ZONE).encode() in each)
        return CHANGED


def test_a_busy_service_is_sent_the_very_same_batch_later_and_later_until_it_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route53, "BUSY_RETRY_S", 0.05)
    monkeypatch.setattr(enactor_service, "RETRY_MIN_S", 0.05)
    throttled = failure("Throttling", "Rate exceeded")
    service = BusyService([throttled, throttled, failure("PriorRequestNotComplete", "wait"), throttled])

    async def run() -> None:
        plans, wanted = Plans(), content(a(f"www.{ZONE}", 1))
        plan = plans.plans[plans.plan(wanted).generation]
        settled = asyncio.Event()
        with ControlJournal.open(tmp_path) as journal:
            async with (
                publisher(service) as there,
                SqlitePlanStore(tmp_path).opened() as store,
                EnactorService(
                    store,
                    {"aws": there},
                    journal=journal,
                    name="eu-1",
                    look_every_s=3_600.0,
                    reads_whole=False,
                    rng=random.Random(1),
                ) as enactor,
            ):
                enactor.on_settled.append(lambda *_: settled.set())
                assert await store.add(plan, wanted, after=None)
                enactor.assign({ZONE: ("aws",)})
                await asyncio.wait_for(settled.wait(), 60.0)
                assert enactor.outcomes == {"refused": 4, "written": 1}

    asyncio.run(run())
    assert len({each.partition(b"\r\n\r\n")[2] for each in service.writes}) == 1
    for retry, (before_s, after_s) in enumerate(pairwise(service.at_s)):
        assert after_s - before_s >= 0.05 + (0.5 * 0.05 * 2**retry if retry else 0.0)
