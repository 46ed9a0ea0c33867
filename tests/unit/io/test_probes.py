"""What a look at an address says about who is there, against real TLS servers on loopback."""

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from standfast.drills.live.authority import Certificate, ThrowawayAuthority, issue_self_signed
from standfast.evidence.model import Identity, ProbeResult, ProbeSpec
from standfast.io.probes import probe
from standfast.io.roots import Roots
from standfast.io.settings.addresses import has_ipv6

NAME = "www.example.org."
TIMEOUT_S = 5.0

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayAuthority:
    return ThrowawayAuthority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def roots(authority: ThrowawayAuthority) -> Roots:
    return Roots(authority.ca_file)


def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    return context


async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keep the connection until the client ends it."""
    try:
        with suppress(OSError, asyncio.CancelledError):  # cancelled when the test is over
            await reader.read()
    finally:
        writer.transport.abort()


@asynccontextmanager
async def answering(
    handler: Handler = hold, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    server = await asyncio.start_server(handler, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def look(
    roots: Roots,
    *,
    tls: ssl.SSLContext | None = None,
    handler: Handler = hold,
    qname: str = NAME,
    kind: str = "tls",
    host: str = "127.0.0.1",
    timeout_s: float = TIMEOUT_S,
) -> ProbeResult:
    """Probe a server that answers as told."""

    async def run() -> ProbeResult:
        async with answering(handler, tls=tls, host=host) as port:
            return await probe(qname, host, ProbeSpec(kind=kind, port=port), timeout_s, roots)

    return asyncio.run(run())


def said(result: ProbeResult) -> tuple[Identity, bool]:
    return result.identity, result.reachable


# A certificate is shown.


@pytest.mark.parametrize("names", [["www.example.org"], ["a.example", "WWW.Example.ORG"], ["*.example.org"]])
def test_a_valid_certificate_for_the_name_proves_identity(
    authority: ThrowawayAuthority, roots: Roots, names: list[str]
) -> None:
    result = look(roots, tls=server_context(authority.issue(names)))
    assert said(result) == (Identity.PROVEN, True)
    assert result.address == "127.0.0.1"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_identity_is_proven_over_ipv6(authority: ThrowawayAuthority, roots: Roots) -> None:
    result = look(roots, tls=server_context(authority.issue(["www.example.org"])), host="::1")
    assert said(result) == (Identity.PROVEN, True)


@pytest.mark.parametrize("names", [["shop.example.net"], ["*.example.net"], ["*.www.example.org"], ["example.org"]])
def test_a_trusted_certificate_for_another_name_contradicts(
    authority: ThrowawayAuthority, roots: Roots, names: list[str]
) -> None:
    result = look(roots, tls=server_context(authority.issue(names)))
    assert said(result) == (Identity.CONTRADICTED, True)
    assert names[0] in result.detail


def test_a_wildcard_stands_for_one_label_only(authority: ThrowawayAuthority, roots: Roots) -> None:
    tls = server_context(authority.issue(["*.example.org"]))
    assert look(roots, tls=tls, qname="a.b.example.org.").identity is Identity.CONTRADICTED
    assert look(roots, tls=tls, qname="example.org.").identity is Identity.CONTRADICTED


def test_an_untrusted_or_expired_certificate_for_another_name_contradicts_too(
    authority: ThrowawayAuthority, roots: Roots, tmp_path: Path
) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = authority.issue(["shop.example.net"], not_before=yesterday - timedelta(days=1), not_after=yesterday)
    for certificate in (issue_self_signed(tmp_path, ["shop.example.net"]), expired):
        assert said(look(roots, tls=server_context(certificate))) == (Identity.CONTRADICTED, True)


def test_the_right_name_out_of_time_or_untrusted_says_nothing_either_way(
    authority: ThrowawayAuthority, roots: Roots, tmp_path: Path
) -> None:
    now, day = datetime.now(UTC), timedelta(days=1)
    faults = {
        "expired": authority.issue(["www.example.org"], not_before=now - 2 * day, not_after=now - day),
        "not yet valid": authority.issue(["*.example.org"], not_before=now + day, not_after=now + 2 * day),
        "self-signed": issue_self_signed(tmp_path, ["www.example.org"]),
        "unable to get local issuer": ThrowawayAuthority.create(tmp_path / "other").issue(["www.example.org"]),
    }
    for words, certificate in faults.items():
        result = look(roots, tls=server_context(certificate))
        assert said(result) == (Identity.UNKNOWN, True)
        assert words in result.detail


def test_without_the_extra_authority_its_certificates_say_nothing(authority: ThrowawayAuthority) -> None:
    result = look(Roots(), tls=server_context(authority.issue(["www.example.org"])))
    assert said(result) == (Identity.UNKNOWN, True)


@pytest.mark.parametrize(
    ("common_name", "identity"), [("www.example.org", Identity.UNKNOWN), ("appliance", Identity.CONTRADICTED)]
)
def test_a_name_only_in_the_subject_proves_nothing_but_may_contradict(
    roots: Roots, tmp_path: Path, common_name: str, identity: Identity
) -> None:
    certificate = issue_without_alternative_names(tmp_path, common_name)
    assert said(look(roots, tls=server_context(certificate))) == (identity, True)


def issue_without_alternative_names(folder: Path, common_name: str) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder(subject_name=subject, issuer_name=subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, bare))
    return Certificate(names=(), cert_file=cert_file, key_file=key_file)


@pytest.mark.parametrize(
    ("names", "identity"),
    [(["www.example.org"], Identity.UNKNOWN), (["shop.example.net"], Identity.CONTRADICTED)],
)
def test_a_server_that_answers_only_the_first_handshake_is_judged_by_that(
    authority: ThrowawayAuthority, roots: Roots, names: list[str], identity: Identity
) -> None:
    day = timedelta(days=1)
    now = datetime.now(UTC)
    expired = identity is Identity.UNKNOWN
    certificate = authority.issue(names, not_before=now - 2 * day, not_after=now - day if expired else now + day)
    tls = server_context(certificate)
    handshakes = 0

    async def first_only(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal handshakes
        handshakes += 1
        if handshakes == 1:
            with suppress(OSError):
                await writer.start_tls(tls)
        await hold(reader, writer)

    result = look(roots, handler=first_only, timeout_s=0.5)
    assert handshakes == 2
    assert said(result) == (identity, True)


# What the server sees.


def test_the_server_is_told_the_name_without_its_last_dot_and_nothing_is_resumed_or_sent(
    authority: ThrowawayAuthority, roots: Roots
) -> None:
    tls = server_context(authority.issue(["www.example.org"]))
    seen: list[tuple[str | None, bool, bytes]] = []
    asked: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)

    async def run() -> None:
        over = asyncio.Event()

        async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sent = b""
            with suppress(OSError):
                sent = await reader.read()
            tls_object = writer.get_extra_info("ssl_object")
            seen.append((tls_object.version(), tls_object.session_reused, sent))
            writer.close()
            over.set()

        async with answering(watch, tls=tls) as port:
            for _ in range(2):
                over.clear()
                result = await probe(NAME, "127.0.0.1", ProbeSpec(port=port), TIMEOUT_S, roots)
                assert result.identity is Identity.PROVEN
                await asyncio.wait_for(over.wait(), TIMEOUT_S)

    asyncio.run(run())
    assert asked == ["www.example.org"] * 2
    assert seen == [("TLSv1.3", False, b"")] * 2


# Nobody is there, or nobody who speaks for the name.


def test_a_port_where_nobody_listens_is_absent(roots: Roots) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    for kind in ("tls", "tcp"):
        result = asyncio.run(probe(NAME, "127.0.0.1", ProbeSpec(kind=kind, port=port), TIMEOUT_S, roots))
        assert said(result) == (Identity.ABSENT, False)
        assert result.detail == "connection refused"


async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def speak_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


@pytest.mark.parametrize("handler", [close, reset, speak_plainly])
def test_a_server_that_shows_no_certificate_is_absent_though_reachable(roots: Roots, handler: Handler) -> None:
    assert said(look(roots, handler=handler)) == (Identity.ABSENT, True)


def test_a_server_that_stays_silent_is_absent_when_the_time_is_over(roots: Roots) -> None:
    result = look(roots, timeout_s=0.2)
    assert said(result) == (Identity.ABSENT, True)
    assert result.detail == "no answer in time"


def look_at_openssl(roots: Roots, tls: ssl.SSLContext) -> ProbeResult:
    """Probe a server that leaves its side to OpenSSL: asyncio's closes without sending the alert."""

    def shake_hands(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        with accepted, pytest.raises(ssl.SSLError):
            tls.wrap_socket(accepted, server_side=True)

    async def run() -> ProbeResult:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(TIMEOUT_S)
            spec = ProbeSpec(port=listening.getsockname()[1])
            _, result = await asyncio.gather(
                asyncio.to_thread(shake_hands, listening), probe(NAME, "127.0.0.1", spec, TIMEOUT_S, roots)
            )
        return result

    return asyncio.run(run())


def test_a_server_that_refuses_the_name_is_absent_though_reachable(authority: ThrowawayAuthority, roots: Roots) -> None:
    tls = server_context(authority.issue(["shop.example.net"]))
    tls.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    result = look_at_openssl(roots, tls)
    assert said(result) == (Identity.ABSENT, True)
    assert "unrecognized name" in result.detail


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_a_server_that_only_speaks_older_tls_says_nothing_either_way(
    authority: ThrowawayAuthority, roots: Roots
) -> None:
    tls = server_context(authority.issue(["www.example.org"]))
    tls.set_ciphers("ALL:@SECLEVEL=0")
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_1
    result = look_at_openssl(roots, tls)
    assert said(result) == (Identity.UNKNOWN, True)
    assert "protocol version" in result.detail


# Only TCP, or nothing.


def test_a_tcp_probe_says_that_something_is_there_and_never_who(roots: Roots) -> None:
    assert said(look(roots, kind="tcp")) == (Identity.UNKNOWN, True)


@pytest.mark.parametrize(
    ("qname", "kind"),
    [(NAME, "none"), ("*.example.org.", "tls"), ("192.0.2.1.", "tls"), (r"a\.b.example.org.", "tls"), (".", "tls")],
)
def test_what_cannot_be_asked_is_not_asked(roots: Roots, qname: str, kind: str) -> None:
    connections = 0

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.close()

    assert said(look(roots, handler=count, qname=qname, kind=kind)) == (Identity.UNKNOWN, False)
    assert connections == 0


def test_a_name_with_an_underscore_can_be_asked(authority: ThrowawayAuthority, roots: Roots) -> None:
    tls = server_context(authority.issue(["my_host.example.org"]))
    assert look(roots, tls=tls, qname="my_host.example.org.").identity is Identity.PROVEN


# Whose fault it is that nobody answered.


@pytest.mark.parametrize("kind", ["tls", "tcp"])
@pytest.mark.parametrize(
    ("number", "identity"),
    [
        (errno.ENETUNREACH, Identity.UNKNOWN),
        (errno.EADDRNOTAVAIL, Identity.UNKNOWN),
        (errno.EAFNOSUPPORT, Identity.UNKNOWN),
        (errno.EMFILE, Identity.UNKNOWN),
        (errno.ENOBUFS, Identity.UNKNOWN),
        (errno.EPERM, Identity.UNKNOWN),
        (errno.ECONNREFUSED, Identity.ABSENT),
        (errno.ECONNRESET, Identity.ABSENT),
        (errno.ETIMEDOUT, Identity.ABSENT),
        (errno.EHOSTUNREACH, Identity.ABSENT),
    ],
)
def test_only_what_the_other_side_did_counts_as_absence(
    monkeypatch: pytest.MonkeyPatch, roots: Roots, number: int, identity: Identity, kind: str
) -> None:
    async def fail(*_: object) -> None:
        raise OSError(number, "as the kernel says")

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", fail)
    result = asyncio.run(probe(NAME, "127.0.0.1", ProbeSpec(kind=kind), TIMEOUT_S, roots))
    assert said(result) == (identity, False)


def test_an_address_without_a_route_from_here_says_nothing(roots: Roots) -> None:
    result = asyncio.run(probe(NAME, "255.255.255.255", ProbeSpec(), TIMEOUT_S, roots))
    assert said(result) == (Identity.UNKNOWN, False)


def test_a_file_without_certificates_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing\n")
    for file in ("ca.pem", "missing.pem"):
        with pytest.raises(OSError, match=r"certificate|No such file"):
            Roots(tmp_path / file)
