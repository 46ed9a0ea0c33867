"""One question to one server: what is sent, and what can come back. Data only; `codec` reads and writes it."""

from dataclasses import dataclass

from standfast.dns.model import Question, Reply
from standfast.values import value


@value
class Outbound:
    """A query of ours, RD and AD always set (RFC 6840 section 5.7), its name in the letter case that goes out.

    `cookie` is what its COOKIE option holds: our part, then the server's where it is known (RFC 7873 section 4); empty
    where there is none.
    """

    id: int
    question: Question
    cased_qname: str
    do: bool = False
    cd: bool = False
    edns: bool = True
    cookie: bytes = b""


@value
class Heard:
    """A response to our query: ID and question match, letter case included.

    `cookie` is what its COOKIE option held, our part as we sent it; no octets where it had none.
    """

    reply: Reply
    truncated: bool = False
    edns: bool = True
    cookie: bytes = b""


@dataclass(frozen=True, slots=True)
class CaseChanged:
    """A response that matches but for the case of the letters: a server that does not keep case, or a forgery."""


@dataclass(frozen=True, slots=True)
class NotOurs:
    """Not an answer to our query (another ID, question or cookie, not a response): to be ignored (RFC 5452)."""


@value
class Unreadable:
    """ID and question could be ours, the rest cannot be parsed."""

    detail: str


Heeded = Heard | CaseChanged | Unreadable
Incoming = Heeded | NotOurs
