"""Looks at a real DynamoDB API: ministack, whose table and items are as we make them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from faulty_path import http_message
from standfast.control.health import Ill, Look, NotLooked, Well
from standfast.control.intent import CheckKind, HealthCheck
from standfast.drills.live.authority import Certificate, ThrowawayAuthority
from standfast.drills.live.dynamo import KEY, REGION, TABLE, DynamoService
from standfast.drills.live.loopback import Endpoint
from standfast.io import http1
from standfast.io.control.checks import dynamodb
from standfast.io.control.checks.check import Checker
from standfast.io.roots import Roots
from standfast.io.settings.addresses import has_ipv6

pytestmark = pytest.mark.peers

HOST = "dynamodb.us-east-1.amazonaws.com"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_table_is_described_and_its_canary_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> dict[str, Look]:
        async with await DynamoService.start(tmp_path, items=["canary"]) as service:
            checker = Checker(Roots(), Random(1))
            check = HealthCheck(
                kind=CheckKind.DYNAMODB,
                port=service.endpoint.port,
                table=TABLE,
                region=REGION,
                key=((KEY, "canary"),),
                timeout_s=20.0,
            )
            address = service.endpoint.address
            found = {
                "well": await checker.look(address, check),
                "described": await checker.look(address, replace(check, key=())),
                "no item": await checker.look(address, replace(check, key=((KEY, "gone"),))),
                "no table": await checker.look(address, replace(check, table="gone")),
                "wrong key": await checker.look(address, replace(check, key=(("other", "x"),))),
            }
            monkeypatch.delenv("AWS_ACCESS_KEY_ID")
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
            monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
            found["nobody"] = await Checker(Roots(), Random(1)).look(address, check)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        found["gone"] = await checker.look(address, check)
        return found

    found = asyncio.run(run())
    assert found["well"] == found["described"] == Well()
    assert found["no item"] == Ill(why=f"the canary item is not in table {TABLE}")
    assert found["no table"] == Ill(why="DescribeTable: ResourceNotFoundException")
    assert isinstance(found["wrong key"], NotLooked), "that is asked wrongly, and says nothing of the service"
    assert isinstance(found["nobody"], NotLooked)
    assert "credentials" in found["nobody"].why
    assert found["gone"] == Ill(why="connection refused")


@dataclass
class Verifying:
    """What stands before the service, and verifies signatures as AWS does, which ministack does not."""

    behind: Endpoint
    port: int = 0
    names: list[str | None] = field(default_factory=list)  # that clients asked for in their handshakes
    hosts: list[str] = field(default_factory=list)  # in their requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await http_message(reader)
            writer.write(await self._handed_on(request) if self._is_signed(request) else UNSIGNED)
            await writer.drain()
        finally:
            writer.close()

    def context(self, certificate: Certificate) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert_file, certificate.key_file)
        context.sni_callback = lambda _tls, name, _context: self.names.append(name)
        return context

    def _is_signed(self, request: bytes) -> bool:
        """Sign anew what came, with the secret that it should have, and compare."""
        head, _, body = request.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        self.hosts.append(fields["Host"])
        told = fields["Authorization"]
        signed = told.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        by_name = {name.lower(): text for name, text in fields.items()}
        again = AWSRequest("POST", f"https://{fields['Host']}/", {name: by_name[name] for name in signed}, body)
        again.context["timestamp"] = by_name["x-amz-date"]
        auth = SigV4Auth(Credentials("test", "test"), "dynamodb", REGION)
        signature = auth.signature(auth.string_to_sign(again, auth.canonical_request(again)), again)
        return "host" in signed and told.endswith(f"Signature={signature}") and f"/{REGION}/dynamodb/" in told

    async def _handed_on(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self.behind.address, self.behind.port)
        try:
            writer.write(request)
            return await reader.read()
        finally:
            writer.close()


_SAID = b'{"__type":"com.amazon.coral.service#InvalidSignatureException"}'
UNSIGNED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%b" % (len(_SAID), _SAID)


@asynccontextmanager
async def behind_tls(side: Verifying, certificate: Certificate) -> AsyncIterator[None]:
    server = await asyncio.start_server(side.serve, "127.0.0.1", 0, ssl=side.context(certificate))
    side.port = server.sockets[0].getsockname()[1]
    with pytest.MonkeyPatch.context() as patched:  # 443 is for the administrator to listen at
        patched.setattr(dynamodb, "HTTPS_PORT", side.port)
        patched.setitem(http1._PORTS, True, side.port)
        try:
            yield
        finally:
            server.close()


def test_by_tls_it_is_asked_in_the_name_of_its_host_and_signed_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = ThrowawayAuthority.create(tmp_path / "ca")
    trusting = Roots(authority.ca_file)
    certificates = {
        "for its host": authority.issue([HOST]),
        "for another": authority.issue(["dynamodb.us-west-2.amazonaws.com"]),
    }
    check = HealthCheck(
        kind=CheckKind.DYNAMODB, host=f"{HOST}.", table=TABLE, region=REGION, key=((KEY, "canary"),), timeout_s=20.0
    )

    async def run() -> tuple[dict[str, Look], Verifying]:
        found: dict[str, Look] = {}
        async with await DynamoService.start(tmp_path / "service", items=["canary"]) as service:
            side = Verifying(behind=service.endpoint)
            for what, certificate in certificates.items():
                async with behind_tls(side, certificate):
                    asked = replace(check, port=side.port)
                    found[what] = await Checker(trusting, Random(1)).look("127.0.0.1", asked)
            async with behind_tls(side, certificates["for its host"]):
                asked = replace(check, port=side.port)
                found["of nobody"] = await Checker(Roots(), Random(1)).look("127.0.0.1", asked)
                found["elsewhere"] = await Checker(trusting, Random(1)).look(
                    "127.0.0.1", replace(asked, region="us-west-2")
                )
                monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
                found["a stranger"] = await Checker(trusting, Random(1)).look("127.0.0.1", asked)
            return found, side

    found, side = asyncio.run(run())
    assert found["for its host"] == Well()
    assert set(side.names) == set(side.hosts) == {HOST}
    for what in ("for another", "of nobody"):
        look = found[what]
        assert isinstance(look, Ill)
        assert look.why.startswith("no trust in its certificate"), look
    for what in ("elsewhere", "a stranger"):
        assert found[what] == NotLooked(why="DescribeTable: InvalidSignatureException"), "that is our own fault"


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_without_a_host_is_signed_as_it_is_sent(tmp_path: Path) -> None:
    async def run() -> Look:
        async with await DynamoService.start(tmp_path, items=["canary"]) as service:
            server = await asyncio.start_server(Verifying(behind=service.endpoint).serve, "::1", 0)
            async with server:
                port = server.sockets[0].getsockname()[1]
                check = HealthCheck(kind=CheckKind.DYNAMODB, port=port, table=TABLE, region=REGION, timeout_s=20.0)
                return await Checker(Roots(), Random(1)).look("::1", check)

    assert asyncio.run(run()) == Well()
