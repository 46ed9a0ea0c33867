"""Requests to the authority: who may, who is told what, and signed queries get signed answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Final

import dns.asyncquery
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.tsig
import dns.update
import pytest

from standfast.authority.access import Access, ZoneRules
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.io.authority.service import AuthorityService
from standfast.io.clients.cookies import Cookies
from standfast.io.settings.authority import AuthorityConfig

WAIT_S: Final = 20.0
KEY: Final = TsigKey(name="client.example.", algorithm="hmac-sha256", secret=b"s" * 32)
THEIRS: Final = dns.tsig.Key(KEY.name, KEY.secret, KEY.algorithm)
TEXTS: Final = "\n".join(f'many TXT "{each:03}{"x" * 200}"' for each in range(5))
ZONE: Final = f"""$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.1
{TEXTS}
"""
ALLOWED: Final = ZoneRules(
    allow_transfer=Access(keys=frozenset({KEY.name})), allow_update=Access(networks=(ip_network("127.0.0.0/8"),))
)


@asynccontextmanager
async def serving(folder: Path, rules: ZoneRules = ALLOWED) -> AsyncIterator[Callable[..., object]]:
    """Serve a zone; what is yielded asks by UDP, or with `tcp` by TCP."""
    file = folder / "example.org.zone"
    file.write_text(ZONE)
    service = AuthorityService(
        AuthorityConfig(listen=(Server("127.0.0.1", 0),), zones=(file,), default_rules=rules, keys={KEY.name: KEY}),
        cookies=Cookies(None, time.monotonic),
        now=time.monotonic,
    )
    async with service:
        (bound,) = service.bound

        async def ask(query: dns.message.Message, *, tcp: bool = False) -> dns.message.Message:
            send = dns.asyncquery.tcp if tcp else dns.asyncquery.udp
            return await send(query, bound.host, port=bound.port, timeout=WAIT_S)

        yield ask


def asked(
    folder: Path, query: dns.message.Message, *, tcp: bool = False, rules: ZoneRules = ALLOWED
) -> dns.message.Message:
    async def scene() -> dns.message.Message:
        async with serving(folder, rules) as ask:
            found = await ask(query, tcp=tcp)  # type: ignore[misc]
            assert isinstance(found, dns.message.Message)
            return found

    return asyncio.run(scene())


def query(qname: str, qtype: str, *, key: dns.tsig.Key | None = THEIRS, **options: object) -> dns.message.Message:
    made = dns.message.make_query(qname, qtype, **options)  # type: ignore[arg-type]
    if key is not None:
        made.use_tsig(key)
    return made


@pytest.mark.parametrize("tcp", [False, True])
def test_a_signed_query_gets_a_signed_answer(tmp_path: Path, tcp: bool) -> None:
    found = asked(tmp_path, query("ns.example.org", "A"), tcp=tcp)  # whose signature dnspython verifies
    assert found.had_tsig
    assert found.answer[0][0].to_text() == "192.0.2.1"
    assert found.flags & dns.flags.AA


@pytest.mark.parametrize("payload", [0, 512, 1000, 1232])
def test_a_signed_answer_that_does_not_fit_is_cut_by_what_the_signature_takes(tmp_path: Path, payload: int) -> None:
    edns = {"use_edns": 0, "payload": payload} if payload else {"use_edns": False}
    asks = query("many.example.org", "TXT", **edns)
    found = asked(tmp_path, asks)
    assert found.had_tsig
    assert found.wire
    assert len(found.wire) <= (payload or 512)
    assert bool(found.flags & dns.flags.TC) == (payload < 1232)
    if payload == 1000:
        assert len(asked(tmp_path, asks, tcp=True).answer[0]) == 5


def test_a_key_that_nobody_knows_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(dns.tsig.PeerBadKey):
        asked(tmp_path, query("ns.example.org", "A", key=dns.tsig.Key("nobody.example.", b"s" * 32)))


def test_another_secret_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(dns.tsig.PeerBadSignature):
        asked(tmp_path, query("ns.example.org", "A", key=dns.tsig.Key(KEY.name, b"t" * 32)))


@pytest.mark.parametrize(
    ("qname", "qtype", "key", "rcode"),
    [
        ("example.org", "AXFR", None, "REFUSED"),
        ("example.org", "IXFR", None, "REFUSED"),
        ("ns.example.org", "AXFR", THEIRS, "NOTAUTH"),
        ("example.net", "AXFR", THEIRS, "NOTAUTH"),
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_a_transfer_that_is_not_allowed_is_refused(
    tmp_path: Path, qname: str, qtype: str, key: dns.tsig.Key | None, rcode: str, tcp: bool
) -> None:
    found = asked(tmp_path, query(qname, qtype, key=key), tcp=tcp)
    assert dns.rcode.to_text(found.rcode()) == rcode
    assert found.had_tsig == (key is not None)


@pytest.mark.parametrize(("zone", "rcode"), [("example.org", "REFUSED"), ("example.net", "NOTAUTH")])
def test_an_update_that_is_not_allowed_is_refused(tmp_path: Path, zone: str, rcode: str) -> None:
    update = dns.update.UpdateMessage(zone)
    update.add("new", 60, "A", "192.0.2.9")
    found = asked(tmp_path, update, rules=ZoneRules())
    assert dns.rcode.to_text(found.rcode()) == rcode
    assert found.opcode() == dns.opcode.UPDATE


@pytest.mark.parametrize(("zone", "rcode"), [("example.org", "REFUSED"), ("example.net", "NOTAUTH")])
def test_a_primary_is_told_of_no_changes(tmp_path: Path, zone: str, rcode: str) -> None:
    told = dns.message.make_query(zone, "SOA")
    told.set_opcode(dns.opcode.NOTIFY)
    found = asked(tmp_path, told)
    assert dns.rcode.to_text(found.rcode()) == rcode
    assert found.opcode() == dns.opcode.NOTIFY


def test_an_opcode_that_is_not_known_is_not_implemented(tmp_path: Path) -> None:
    status = dns.message.make_query("example.org", "SOA")
    status.set_opcode(dns.opcode.STATUS)
    found = asked(tmp_path, status)
    assert (found.rcode(), found.opcode()) == (dns.rcode.NOTIMP, dns.opcode.STATUS)
