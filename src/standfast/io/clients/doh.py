"""What HTTP means for DNS (RFC 8484): the query in a request, or the status that refuses it; how long an answer keeps.

Decides only; the frames are in `http2`.
"""

import base64
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from standfast.dns.model import Reply, RRType

MEDIA_TYPE: Final = "application/dns-message"
QUERY_OCTETS_MAX: Final = 4096  # of one query; with every option there is they take a few hundred
_BASE64URL_MAX: Final = -(-QUERY_OCTETS_MAX * 4 // 3)
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")  # without padding (RFC 8484 section 6)
_MINIMUM_OCTETS: Final = 4  # at the end of a SOA's data (RFC 1035 section 3.3.13)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked by HTTP. `target` is the path with what follows a question mark; `media_type` as it came."""

    method: str
    target: str
    media_type: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No answer, and why. `allow`: which methods there are, where another was used (RFC 9110 section 15.5.6)."""

    status: HTTPStatus
    words: str
    allow: str | None = None


TOO_LARGE: Final = Refusal(
    status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words=f"a query has at most {QUERY_OCTETS_MAX} octets here"
)
NO_QUERY: Final = Refusal(status=HTTPStatus.BAD_REQUEST, words="this is no DNS query (RFC 1035 section 4.1)")


def query_of(request: Request, path: str) -> bytes | Refusal:
    """Return the DNS message that `request` holds, if it is for `path` (RFC 8484 section 4.1)."""
    asked, _, variables = request.target.partition("?")
    if asked != path:
        return Refusal(status=HTTPStatus.NOT_FOUND, words=f"DNS is asked at {path}")
    match request.method:
        case "GET":
            return _query_in(variables)
        case "POST":
            return _query_posted(request)
        case _:
            words = "DNS is asked by GET and POST (RFC 8484 section 4.1)"
            return Refusal(status=HTTPStatus.METHOD_NOT_ALLOWED, words=words, allow="GET, POST")


def max_age_s(reply: Reply) -> int:
    """Return for how long HTTP caches may keep `reply`: until the first record of it is over (RFC 8484 section 5.1).

    A negative answer keeps as long as its SOA says (RFC 2308 section 5), a failure not at all.
    """
    if reply.answer:
        return min(rrset.ttl_s for rrset in reply.answer)
    for rrset in reply.authority:
        if rrset.rtype == RRType.SOA:
            return min(rrset.ttl_s, *(int.from_bytes(rdata[-_MINIMUM_OCTETS:], "big") for rdata in rrset.rdatas))
    return 0


def _query_in(variables: str) -> bytes | Refusal:
    given = [value for name, _, value in (each.partition("=") for each in variables.split("&")) if name == "dns"]
    if len(given) != 1:
        words = 'the query goes into one variable "dns" (RFC 8484 section 4.1)'
        return Refusal(status=HTTPStatus.BAD_REQUEST, words=words)
    (text,) = given
    if len(text) > _BASE64URL_MAX:
        return Refusal(status=HTTPStatus.REQUEST_URI_TOO_LONG, words=TOO_LARGE.words)
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        words = '"dns" must be base64url without padding (RFC 8484 section 6)'
        return Refusal(status=HTTPStatus.BAD_REQUEST, words=words)
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _query_posted(request: Request) -> bytes | Refusal:
    if request.media_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
        return Refusal(status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE, words=f"a query has the media type {MEDIA_TYPE}")
    return TOO_LARGE if len(request.body) > QUERY_OCTETS_MAX else request.body
