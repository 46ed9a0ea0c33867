"""The names that the chaos is about. Each one's address is a hash of it, so that every answer can be judged alone."""

import hashlib
from enum import StrEnum
from typing import Final

ZONE: Final = "chaos.example."
TTL_S: Final = 1  # so short that upstream is asked again and again
LEARNED: Final = tuple(f"learned-{n}.{ZONE}" for n in range(30))  # asked for before anything goes wrong
COLD: Final = tuple(f"cold-{n}.{ZONE}" for n in range(2000))  # there as well, each asked for once in a test


class Kind(StrEnum):
    """What may be expected of a name."""

    LEARNED = "learned"  # the guard has its answer: there is always one to be had
    COLD = "cold"  # never asked for: there is an answer while upstream answers
    ABSENT = "absent"  # does not exist


def kind_of(qname: str) -> Kind:
    """Return the kind of a name, which its first label tells."""
    return Kind(qname.lower().partition("-")[0])


def absent(number: int) -> str:
    """Return a name that does not exist."""
    return f"absent-{number}.{ZONE}"


def address_of(qname: str) -> str:
    """Return the one address of a name that exists, in 127.0.0.0/8."""
    octets = hashlib.blake2s(qname.lower().rstrip(".").encode(), digest_size=3).digest()
    return f"127.{octets[0]}.{octets[1]}.{octets[2]}"


def records() -> str:
    """Return the zone's records as lines of a zone file."""
    return "".join(f"{qname} {TTL_S} A {address_of(qname)}\n" for qname in (*LEARNED, *COLD))
