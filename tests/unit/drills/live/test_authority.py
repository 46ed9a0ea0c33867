"""The throw-away certificates pass the strictest verifier, or fail it for the one fault they were given."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from standfast.drills.live.authority import Certificate, ThrowawayAuthority, issue_self_signed

NAME = "dynamodb.us-east-1.amazonaws.com"
NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)

# x509_vfy.h
X509_V_ERR_CERT_NOT_YET_VALID = 9
X509_V_ERR_CERT_HAS_EXPIRED = 10
X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT = 18
X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY = 20
X509_V_ERR_HOSTNAME_MISMATCH = 62


def handshake(certificate: Certificate, *, trust: Path, name: str) -> None:
    """Shake hands in memory, the client as strict as OpenSSL can be; raises what the client does."""
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate.cert_file, certificate.key_file)
    client_side = ssl.create_default_context(cafile=str(trust))
    client_side.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(down, up, server_hostname=name)
    server = server_side.wrap_bio(up, down, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.fixture
def authority(tmp_path: Path) -> ThrowawayAuthority:
    return ThrowawayAuthority.create(tmp_path / "authority")


def test_a_strict_client_that_trusts_it_takes_its_certificates_for_every_name(
    authority: ThrowawayAuthority,
) -> None:
    certificate = authority.issue([NAME, "*.pay.example.com"])
    for name in (NAME, "eu.pay.example.com"):
        handshake(certificate, trust=authority.ca_file, name=name)


def test_a_name_longer_than_a_common_name_may_be_is_no_trouble(authority: ThrowawayAuthority) -> None:
    name = ".".join(["label" * 5] * 6)
    handshake(authority.issue([name]), trust=authority.ca_file, name=name)


@pytest.mark.parametrize(
    ("issue", "fault"),
    [
        pytest.param(
            lambda own, _: own.issue([NAME], not_before=NOW - 2 * HOUR, not_after=NOW - HOUR),
            X509_V_ERR_CERT_HAS_EXPIRED,
            id="expired",
        ),
        pytest.param(
            lambda own, _: own.issue([NAME], not_before=NOW + HOUR),
            X509_V_ERR_CERT_NOT_YET_VALID,
            id="not yet valid",
        ),
        pytest.param(lambda own, _: own.issue(["shop.example.com"]), X509_V_ERR_HOSTNAME_MISMATCH, id="another's name"),
        pytest.param(
            lambda _, other: other.issue([NAME]),
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            id="another authority",
        ),
        pytest.param(
            lambda _, other: issue_self_signed(other.folder, [NAME]),
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
            id="self-signed",
        ),
    ],
)
def test_a_faulty_certificate_fails_for_its_fault(
    authority: ThrowawayAuthority,
    tmp_path: Path,
    issue: Callable[[ThrowawayAuthority, ThrowawayAuthority], Certificate],
    fault: int,
) -> None:
    certificate = issue(authority, ThrowawayAuthority.create(tmp_path / "other"))
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(certificate, trust=authority.ca_file, name=NAME)
    assert caught.value.verify_code == fault


def test_only_the_owner_reads_the_keys(authority: ThrowawayAuthority) -> None:
    assert authority.issue([NAME]).key_file.stat().st_mode & 0o077 == 0


def test_a_certificate_without_a_name_is_not_issued(authority: ThrowawayAuthority) -> None:
    with pytest.raises(ValueError, match="at least one name"):
        authority.issue([])
