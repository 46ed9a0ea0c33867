"""What servers that take updates say to them and to questions for the fence, and what that comes to."""

import asyncio
import random
import threading
from collections.abc import Callable, Sequence

import pytest

from peers.servers import hostile
from standfast.authority.zone import Zone
from standfast.control.fence import Fence, Garbage, fence_name, fence_rrset
from standfast.control.publishing import (
    Batch,
    Late,
    Outcome,
    PublisherError,
    Reading,
    Refused,
    Unclear,
    Written,
)
from standfast.dns.changes import Change
from standfast.dns.codec import AA
from standfast.dns.model import Rcode, RRType
from standfast.dns.rdata import rrset_from_text
from standfast.dns.requests import CLASS_IN, Opcode, Raw, Request, raws, read_request, response, sealed
from standfast.dns.tsig import TsigKey
from standfast.io.authority.primaries import Primary
from standfast.io.control.publishers.rfc2136 import Rfc2136Publisher
from transfers import ORIGIN, version, whole

KEY = TsigKey(name="updater.example.", algorithm="hmac-sha256", secret=b"0123456789abcdef")
NOW_S = 1_800_000_000.0
FENCE = Fence(generation=7, step=1, done=True, plan="0123456789abcdef", writer="a.1.1")

Serves = Callable[[Request], bytes]


def there(serves: Serves, use: Callable[[Rfc2136Publisher], object], rng: random.Random | None = None) -> object:
    """Return what comes of `use` with a server that answers as `serves` does, everything signed."""

    def answers(wire: bytes, tcp: bool) -> Sequence[bytes]:
        request = read_request(wire, {KEY.name: KEY}, now=NOW_S)
        assert isinstance(request, Request)
        assert tcp
        return [sealed(request, serves(request), now=NOW_S)]

    async def run(publisher: Rfc2136Publisher) -> object:
        return await use(publisher)  # type: ignore[misc]

    with hostile(answers) as server:
        primary = Primary(server=server, key=KEY)
        return asyncio.run(run(Rfc2136Publisher("bind", primary, rng=rng or random.Random(7), wall=lambda: NOW_S)))


def fence_from(serves: Serves) -> object:
    return there(serves, lambda publisher: publisher.fence(ORIGIN))


def outcome(rcode: Rcode, *changes: Change) -> Outcome:
    def serves(request: Request) -> bytes:
        assert request.opcode == Opcode.UPDATE
        return response(request, rcode)

    batch = Batch(zone=ORIGIN, expect=None, fence=FENCE, changes=changes)
    found = there(serves, lambda publisher: publisher.write(batch))
    assert isinstance(found, Written | Late | Refused | Unclear)
    return found


@pytest.mark.parametrize(
    ("rcode", "kind"),
    [
        (Rcode.NOERROR, Written),
        (Rcode.NXRRSET, Late),
        (Rcode.YXRRSET, Late),
        (Rcode.REFUSED, Refused),
        (Rcode.NOTAUTH, Refused),
        (Rcode.NOTIMP, Refused),
        (Rcode.FORMERR, Refused),
        (Rcode.NOTZONE, Refused),
        (Rcode.SERVFAIL, Unclear),
    ],
)
def test_each_code_of_an_update_comes_to_its_outcome(rcode: Rcode, kind: type) -> None:
    found = outcome(rcode)
    assert type(found) is kind
    assert getattr(found, "retry_s", None) is None, "what is refused is never sent again as it is"


def test_what_no_server_would_do_is_not_sent() -> None:
    apex = Change(before=None, after=rrset_from_text(ORIGIN, RRType.NS, 60, ["ns.example.org."]))
    assert isinstance(outcome(Rcode.NOERROR, apex), Refused)
    large = [
        Change(before=None, after=rrset_from_text(f"a{number}.{ORIGIN}", RRType.TXT, 60, [f'"{"x" * 255}"']))
        for number in range(300)
    ]
    refused = outcome(Rcode.NOERROR, *large)
    assert isinstance(refused, Refused)
    assert "at once" in refused.why


def write_of(owner: str) -> Batch:
    change = Change(before=None, after=rrset_from_text(f"{owner}.{ORIGIN}", RRType.A, 60, ["192.0.2.1"]))
    return Batch(zone=ORIGIN, expect=None, fence=FENCE, changes=(change,))


class Counted(random.Random):
    """Counts the messages that are made, each of which has a number by chance."""

    made = 0

    def __init__(self) -> None:
        super().__init__(7)
        self.more = threading.Condition()

    def getrandbits(self, k: int) -> int:
        with self.more:
            self.made += 1
            self.more.notify_all()
        return super().getrandbits(k)


def test_a_write_that_is_foreseen_is_made_while_the_server_works_on_the_one_before_it() -> None:
    rng, ahead = Counted(), list[bool]()

    def serves(request: Request) -> bytes:
        with rng.more:
            ahead.append(rng.more.wait_for(lambda: rng.made == 2, timeout=20))
        return response(request, Rcode.NOERROR)

    async def use(publisher: Rfc2136Publisher) -> None:
        publisher.foresee(write_of("b"))
        assert await publisher.write(write_of("a")) == Written()
        assert await publisher.write(write_of("b")) == Written()

    there(serves, use, rng)
    assert (ahead, rng.made) == ([True, True], 2)


def test_only_what_is_asked_for_is_sent_whatever_was_foreseen() -> None:
    sent: list[str] = []

    def serves(request: Request) -> bytes:
        sent.extend(raw.owner for raw in request.authority if raw.rtype == RRType.A and raw.rclass == CLASS_IN)
        return response(request, Rcode.NOERROR)

    async def use(publisher: Rfc2136Publisher) -> None:
        publisher.foresee(write_of("b"))
        await publisher.write(write_of("a"))
        publisher.foresee(write_of("b"))
        await publisher.write(write_of("c"))
        await publisher.write(write_of("c"))

    there(serves, use)
    assert sent == [f"a.{ORIGIN}", f"c.{ORIGIN}", f"c.{ORIGIN}"]


def test_the_fence_is_what_the_primary_has() -> None:
    records = [*raws(fence_rrset(ORIGIN, FENCE))]
    assert fence_from(lambda request: response(request, Rcode.NOERROR, flags=AA, answer=records)) == FENCE
    assert fence_from(lambda request: response(request, Rcode.NXDOMAIN, flags=AA)) is None
    assert fence_from(lambda request: response(request, Rcode.NOERROR, flags=AA)) is None
    alias = [Raw(fence_name(ORIGIN), RRType.CNAME, CLASS_IN, 60, b"\x03far\0")]
    assert fence_from(lambda request: response(request, Rcode.NOERROR, flags=AA, answer=alias)) is None


@pytest.mark.parametrize("texts", [["hello"], [str(FENCE), "beside"], ["beside", str(FENCE)]])
def test_something_else_in_the_fences_place_is_told_from_none_and_from_a_fence(texts: list[str]) -> None:
    answer = [raw_text(text) for text in texts]
    found = fence_from(lambda request: response(request, Rcode.NOERROR, flags=AA, answer=answer))
    assert found == Garbage(ttl_s=60, rdatas=tuple(sorted(each.rdata for each in answer)))


def raw_text(text: str) -> Raw:
    return Raw(fence_name(ORIGIN), RRType.TXT, CLASS_IN, 60, bytes((len(text),)) + text.encode())


@pytest.mark.parametrize(
    ("flags", "rcode", "texts", "words"),
    [
        (AA, Rcode.REFUSED, [], "says REFUSED"),
        (0, Rcode.NOERROR, [str(FENCE)], "no authority"),
        (0, Rcode.NXDOMAIN, [], "no authority"),
    ],
)
def test_what_is_no_proof_of_the_fence_is_told(flags: int, rcode: Rcode, texts: list[str], words: str) -> None:
    answer = [raw_text(text) for text in texts]
    with pytest.raises(PublisherError, match=words):
        fence_from(lambda request: response(request, rcode, flags=flags, answer=answer))


def read_from(zone: Zone | None) -> object:
    def serves(request: Request) -> bytes:
        if zone is None:
            return response(request, Rcode.REFUSED)
        return response(request, Rcode.NOERROR, flags=AA, answer=whole(zone))

    return there(serves, lambda publisher: publisher.read(ORIGIN))


def test_what_is_published_is_one_snapshot_with_the_fence() -> None:
    found = read_from(version(1, f'a A 192.0.2.9\n_standfast 60 TXT "{FENCE}"\n'))
    assert isinstance(found, Reading)
    assert found.fence == FENCE
    assert set(found.content) == {"a.example.org.", "ns.example.org."}


def test_a_transfer_that_is_refused_is_told_with_what_to_do() -> None:
    with pytest.raises(PublisherError, match=r"says REFUSED; allow transfers to the key updater\.example\."):
        read_from(None)
