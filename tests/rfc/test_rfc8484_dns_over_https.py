"""RFC 8484: DNS queries over HTTPS."""

import base64
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.dns.codec import rrset_from_text
from standfast.dns.model import Rcode, Reply, RRType
from standfast.io.clients.doh import MEDIA_TYPE, QUERY_OCTETS_MAX, Refusal, Request, max_age_s, query_of

PATH = "/dns-query"
# Section 4.1.1 and 4.1.2: the queries that stand there as examples.
WWW_EXAMPLE_COM = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB"
LONG_NAME = (
    "AAABAAABAAAAAAAAAWE-NjJjaGFyYWN0ZXJsYWJlbC1tYWtlcy1iYXNlNjR1cmwtZGlzdGluY3QtZnJvbS1zdGFuZGFyZC1iYXNlNjQ"
    "HZXhhbXBsZQNjb20AAAEAAQ"
)


def get(target: str) -> bytes | HTTPStatus:
    return said(query_of(Request(method="GET", target=target), PATH))


def post(body: bytes, media_type: str = MEDIA_TYPE) -> bytes | HTTPStatus:
    return said(query_of(Request(method="POST", target=PATH, media_type=media_type, body=body), PATH))


def said(found: bytes | Refusal) -> bytes | HTTPStatus:
    return found.status if isinstance(found, Refusal) else found


# Section 4.1: the HTTP request.


@pytest.mark.parametrize("text", [WWW_EXAMPLE_COM, LONG_NAME], ids=["www.example.com", "a-long-name"])
def test_4_1_1_the_examples_are_read_by_get_and_by_post(text: str) -> None:
    wire = get(f"{PATH}?dns={text}")
    assert isinstance(wire, bytes)
    assert wire.endswith(b"\x03com\x00\x00\x01\x00\x01")
    assert post(wire) == wire


@given(wire=st.binary(min_size=1, max_size=QUERY_OCTETS_MAX))
def test_4_1_every_message_is_read_by_get_as_it_was_written(wire: bytes) -> None:
    assert get(f"{PATH}?dns={base64.urlsafe_b64encode(wire).decode().rstrip('=')}") == wire


@pytest.mark.parametrize(
    "variables",
    [
        "",
        "dns=",
        "dns",
        "DNS=AAAA",
        "dns=AAAA&dns=AAAA",
        "dns=A",
        "dns=AAAAA",
        "dns=AA==",
        "dns=A+/A",
        "dns=AA%3D",
        "dns=é",
    ],
)
def test_4_1_what_is_no_one_base64url_is_a_bad_request(variables: str) -> None:
    assert get(f"{PATH}?{variables}") == HTTPStatus.BAD_REQUEST


def test_4_1_other_variables_are_ignored() -> None:
    assert get(f"{PATH}?ct=&dns=AAAA&x=y") == bytes(3)


@pytest.mark.parametrize("target", ["/", "/dns-query/", "/DNS-query", "", "*", "/dns-query#?dns=AAAA"])
def test_4_1_another_path_is_not_found(target: str) -> None:
    assert get(target) == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "OPTIONS", "get", ""])
def test_4_1_another_method_is_told_which_there_are(method: str) -> None:
    refusal = query_of(Request(method=method, target=PATH), PATH)
    assert isinstance(refusal, Refusal)
    assert (refusal.status, refusal.allow) == (HTTPStatus.METHOD_NOT_ALLOWED, "GET, POST")


@pytest.mark.parametrize("media_type", ["", "application/json", "application/dns-messages", "text/plain"])
def test_4_1_another_media_type_is_not_read(media_type: str) -> None:
    assert post(bytes(12), media_type) == HTTPStatus.UNSUPPORTED_MEDIA_TYPE


@pytest.mark.parametrize("media_type", ["Application/DNS-Message", "application/dns-message; charset=x"])
def test_4_1_the_media_type_is_read_as_http_writes_it(media_type: str) -> None:
    assert post(bytes(12), media_type) == bytes(12)


def test_4_1_what_is_larger_than_any_query_is_refused() -> None:
    assert post(bytes(QUERY_OCTETS_MAX)) == bytes(QUERY_OCTETS_MAX)
    assert post(bytes(QUERY_OCTETS_MAX + 1)) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    text = base64.urlsafe_b64encode(bytes(QUERY_OCTETS_MAX + 3)).decode().rstrip("=")
    assert get(f"{PATH}?dns={text}") == HTTPStatus.REQUEST_URI_TOO_LONG


# Section 5.1: cache interaction.

SOA = "ns.example.org. hostmaster.example.org. 1 3600 600 86400"


def addresses(ttl_s: int) -> Reply:
    return Reply(rcode=0, answer=(rrset_from_text("www.example.org.", RRType.A, ttl_s, ["192.0.2.1"]),))


def test_5_1_an_answer_keeps_as_long_as_its_first_record() -> None:
    ttls_s = (600, 128, 300)
    sets = (rrset_from_text(f"{i}.example.org.", RRType.A, ttl_s, ["192.0.2.1"]) for i, ttl_s in enumerate(ttls_s))
    assert max_age_s(Reply(rcode=0, answer=tuple(sets))) == 128
    assert max_age_s(addresses(0)) == 0


@pytest.mark.parametrize("rcode", [Rcode.NOERROR, Rcode.NXDOMAIN])
@pytest.mark.parametrize(("ttl_s", "minimum_s"), [(30, 900), (900, 30)])
def test_5_1_a_negative_answer_keeps_as_long_as_its_soa_says(rcode: Rcode, ttl_s: int, minimum_s: int) -> None:
    soa = rrset_from_text("example.org.", RRType.SOA, ttl_s, [f"{SOA} {minimum_s}"])
    assert max_age_s(Reply(rcode=rcode, authority=(soa,))) == 30


def test_5_1_the_authority_of_a_positive_answer_does_not_shorten_it() -> None:
    servers = rrset_from_text("example.org.", RRType.NS, 5, ["ns.example.org."])
    assert max_age_s(Reply(rcode=0, answer=addresses(60).answer, authority=(servers,))) == 60


def test_5_1_a_failure_is_not_kept() -> None:
    assert max_age_s(Reply(rcode=Rcode.SERVFAIL)) == 0
