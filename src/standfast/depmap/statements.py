"""What a reader says of who needs what, and who says so: the one language between readers, attribution and the map.

Names, for all readers alike, so that what two of them say of one thing meets:

    checkout, shop/checkout    a service as its files call it, with its namespace where it is not the default one
    www.example.com            a domain name, and a name server: lower case, no dot at its end
    192.0.2.1, 2001:db8::1     an address as `ipaddress` writes it
    zone:example.com, zone:.   a zone of the DNS
    aws_lb.front               a resource of Terraform, by its address
    aws:dynamodb/us-east-1     an API of a provider in a region; aws:iam/control, aws:iam/data: one that is not regional

and of shared causes, which are no nodes:

    provider:aws               everything of a provider
    region:aws/us-east-1       a region of it
    az:aws/us-east-1a          an availability zone of that
    dns:aws                    the name servers of one operator, all at once
    as:16509                   a network
"""

from dataclasses import dataclass
from enum import StrEnum

from standfast.depmap.faults.model import Event
from standfast.depmap.graph import Kind, Need


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Witness:
    """Who says so: the kind of reader ("terraform"), what it read (a file's name, a list's date), the line from 1."""

    reader: str
    where: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.reader} {self.where}:{self.line}" if self.line else f"{self.reader} {self.where}"


@dataclass(frozen=True, slots=True)
class Is:
    """`node` is there, and is of `kind`."""

    node: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Needs:
    """`node` has `need`. Parts that nobody describes become nodes, of the kind that their names look like."""

    node: str
    need: Need


@dataclass(frozen=True, slots=True)
class Shares:
    """`node` goes down with `cause`."""

    node: str
    cause: str


@dataclass(frozen=True, slots=True)
class Fails:
    """`name`, a node or a cause, fails by itself for the share of time that `event` says."""

    name: str
    event: Event


class Loss(StrEnum):
    """How a name of the DNS was found to be gone."""

    EMPTIED = "emptied"  # NODATA: the name is there, its addresses are not
    REMOVED = "removed"  # NXDOMAIN


@dataclass(frozen=True, slots=True)
class IsGone:
    """`node` was found to be gone."""

    node: str
    how: Loss


@dataclass(frozen=True, slots=True)
class Claims:
    """`node` is said to be available for the share `availability` of the time, 0 to 1."""

    node: str
    availability: float


Statement = Is | Needs | Shares | Fails | IsGone | Claims


@dataclass(frozen=True, slots=True)
class Told:
    """A statement, and whose it is."""

    statement: Statement
    by: Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a reader met and left out, or took though it looks wrong, in words that repeat no secret of the file."""

    text: str
    by: Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """All that one reader says of one file, or one step of attribution of a map."""

    told: tuple[Told, ...] = ()
    remarks: tuple[Remark, ...] = ()
