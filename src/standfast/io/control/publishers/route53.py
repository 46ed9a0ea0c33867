"""A zone at Route 53, by boto3: one change batch a write, of which the service makes all or nothing.

Calls are made in threads. What is asked for, and of which records, is in `control.record_sets`.
"""

import asyncio
import http
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from standfast.control.fence import Standing, fence_name, standing_in
from standfast.control.publishing import (
    Batch,
    BatchLimits,
    Late,
    Outcome,
    PublisherError,
    PublisherFacts,
    Reading,
    Refused,
    Unclear,
    Written,
    reading,
    unwritable,
)
from standfast.control.record_sets import (
    LETTERS_MAX,
    RECORDS_MAX,
    RecordChange,
    RecordSet,
    changes_from,
    exact_changes,
    name_for,
    name_of,
    rrset_of,
    size_of_record_sets,
)
from standfast.dns.model import Name, RRset
from standfast.values import value

REGION: Final = "us-east-1"  # Route 53 is one service for the world, which signs there
CONNECT_S: Final = 5.0
ANSWER_S: Final = 30.0
READS_MAX: Final = 5  # of one page, as often as the service is busy; botocore waits longer and longer between
READINGS_MAX: Final = 4  # of a whole zone that changes while it is read
PAGE_MAX: Final = 300  # record sets, which is the service's own bound
BUSY_RETRY_S: Final = 2.0  # an account has five requests a second for all that it does

_BUSY: Final = frozenset(
    {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "PriorRequestNotComplete"}
)
_UNSENT: Final = (
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)


@value
class _Rejected:
    """The service found something in the batch that it does not do, and did nothing of it."""

    why: str


class Route53Publisher:
    """Hosted zones of one AWS account."""

    def __init__(
        self,
        name: str,
        *,
        endpoint_url: str | None = None,
        zone_ids: Mapping[Name, str] | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        """Ask nothing yet; credentials are found where all AWS tools find them.

        Args:
            name: of the publisher.
            endpoint_url: of the service, where it is not AWS's own.
            zone_ids: of the hosted zones, by name; those of others are found by their names.
            answer_s: how long is waited for an answer, in seconds.
        """
        self._name = name
        self._zone_ids = dict(zone_ids or {})
        self._changes: dict[Name, str] = {}  # the last of each zone that was written here
        self._reads = _client(endpoint_url, answer_s, attempts=READS_MAX)
        # A batch is sent once: what became of it is read back, and whether it is sent again is decided elsewhere.
        self._writes = _client(endpoint_url, answer_s, attempts=1)

    @property
    def facts(self) -> PublisherFacts:
        """What it is."""
        limits = BatchLimits(records_max=RECORDS_MAX, octets_max=LETTERS_MAX, size=size_of_record_sets)
        return PublisherFacts(name=self._name, limits=limits)

    async def fence(self, zone: Name) -> Standing:
        """Return what stands at the fence's place, in the newest version, spread or not. Raises `PublisherError`."""
        return self._standing(zone, await self._at_fence(zone))

    async def _at_fence(self, zone: Name) -> RecordSet | None:
        owner = fence_name(zone)
        page = await self._read(
            zone,
            "list_resource_record_sets",
            HostedZoneId=await self._zone_id(zone),
            StartRecordName=owner,
            StartRecordType="TXT",
            MaxItems="1",
        )
        found = [each for each in page["ResourceRecordSets"] if _is_at(each, owner) and each["Type"] == "TXT"]
        return found[0] if found else None

    def _standing(self, zone: Name, at_fence: RecordSet | None) -> Standing:
        return standing_in(self._rrset(zone, at_fence)) if at_fence is not None else None

    async def read(self, zone: Name) -> Reading:
        """Return all that is published. Raises `PublisherError`.

        Pages are no snapshot: where there are several, the fence must be the same before, among and after them.
        """
        for _ in range(READINGS_MAX):
            before = await self.fence(zone)
            pages = [page async for page in self._pages(zone)]
            found = reading(zone, self._rrsets(zone, pages))
            if len(pages) == 1 or before == found.fence == await self.fence(zone):
                return found
        raise PublisherError(self._name, zone, f"it was written to {READINGS_MAX} times while it was read")

    async def write(self, batch: Batch) -> Outcome:
        """Replace the expected fence by the next one and make the changes, by one change batch."""
        why = unwritable(batch)
        if why is not None:
            return Refused(why=why)
        try:
            zone_id = await self._zone_id(batch.zone)
        except PublisherError as error:
            return Refused(why=error.why)
        sent = await self._send(batch.zone, zone_id, exact_changes(batch))
        if not isinstance(sent, _Rejected):
            return sent
        try:
            at_fence = await self._at_fence(batch.zone)
            late = self._late(batch, self._standing(batch.zone, at_fence))
            if late is not None:
                return late
            # The fence is the expected one, so it is the records that are not as they were known, or its TTL.
            changes = changes_from(batch, [each async for each in self._at_names_of(batch)], at_fence)
            if isinstance(changes, str):
                return Refused(why=changes)
            sent = await self._send(batch.zone, zone_id, changes)
            if not isinstance(sent, _Rejected):
                return sent
            return self._late(batch, await self.fence(batch.zone)) or Refused(why=sent.why)
        except PublisherError as error:  # a batch that arrived twice is rejected too, though it was done
            return Unclear(why=error.why)

    async def is_everywhere(self, zone: Name) -> bool | None:
        """Say whether all of the zone's servers have what was written here last; None: nothing was.

        That takes up to a minute as a rule. Raises `PublisherError`.
        """
        change = self._changes.get(zone)
        if change is None:
            return None
        found = await self._read(zone, "get_change", Id=change)
        return bool(found["ChangeInfo"]["Status"] == "INSYNC")

    async def _send(self, zone: Name, zone_id: str, changes: Sequence[RecordChange]) -> Outcome | _Rejected:
        try:
            done = await asyncio.to_thread(
                self._writes.change_resource_record_sets, HostedZoneId=zone_id, ChangeBatch={"Changes": list(changes)}
            )
        except (BotoCoreError, ClientError) as error:
            return _outcome(error)
        change = done.get("ChangeInfo")
        if change is None:  # an answer that ends within its head is taken for a success without a body
            return Unclear(why=_CUT)
        self._changes[zone] = change["Id"]
        return Written()

    def _late(self, batch: Batch, found: Standing) -> Outcome | None:
        """Return what a batch that was rejected comes to by the fence; None where that was not the reason."""
        if found == batch.fence:  # it arrived twice, and this is what the second was told
            return Written()
        return Late(found=found) if found != batch.expect else None

    async def _at_names_of(self, batch: Batch) -> AsyncIterator[RecordSet]:
        rrsets = (rrset for change in batch.changes for rrset in (change.before, change.after) if rrset)
        for owner in dict.fromkeys(rrset.owner for rrset in rrsets):
            async for page in self._pages(batch.zone, owner):
                there = [each for each in page if _is_at(each, owner)]
                for each in there:
                    yield each
                if len(there) < len(page):  # the names behind it have begun
                    break

    async def _pages(self, zone: Name, start: Name | None = None) -> AsyncIterator[Sequence[RecordSet]]:
        zone_id = await self._zone_id(zone)
        where: dict[str, str] = {"StartRecordName": name_for(start)} if start else {}
        while True:
            page = await self._read(
                zone, "list_resource_record_sets", HostedZoneId=zone_id, MaxItems=str(PAGE_MAX), **where
            )
            yield page["ResourceRecordSets"]
            if not page["IsTruncated"]:
                return
            where = {f"Start{key[4:]}": page[key] for key in _NEXT if key in page}

    async def _zone_id(self, zone: Name) -> str:
        known = self._zone_ids.get(zone)
        if known is not None:
            return known
        page = await self._read(zone, "list_hosted_zones_by_name", DNSName=name_for(zone))
        public = [
            each
            for each in page["HostedZones"]
            if name_of(each["Name"]) == zone and not each.get("Config", {}).get("PrivateZone")
        ]
        if len(public) != 1:
            what = (
                f"there are {len(public)} public hosted zones of this name"
                if public
                else "there is no public hosted zone"
            )
            raise PublisherError(self._name, zone, f"{what}; say which one it is by zone_ids")
        self._zone_ids[zone] = str(public[0]["Id"])
        return self._zone_ids[zone]

    async def _read(self, zone: Name, operation: str, **arguments: str) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = await asyncio.to_thread(getattr(self._reads, operation), **arguments)
        except (BotoCoreError, ClientError) as error:
            raise PublisherError(self._name, zone, _words(error)) from error
        if found.keys().isdisjoint(_SAID):
            raise PublisherError(self._name, zone, _CUT)
        return found

    def _rrsets(self, zone: Name, pages: Iterable[Sequence[RecordSet]]) -> Iterator[RRset]:
        for page in pages:
            for each in page:
                found = self._rrset(zone, each)
                if found is not None:
                    yield found

    def _rrset(self, zone: Name, record_set: RecordSet) -> RRset | None:
        """Return what stands there; None where that is nothing that can be planned. Raises at the fence's place."""
        found = rrset_of(record_set)
        if found is None and _is_at(record_set, fence_name(zone)) and record_set["Type"] == "TXT":
            # Weighted and the like, or data of no TXT: nothing that a write could name.
            why = f"the TXT at {fence_name(zone)} is no fence; delete it, then all is looked at anew"
            raise PublisherError(self._name, zone, why)
        return found


def _outcome(error: BotoCoreError | ClientError) -> Outcome | _Rejected:
    """Return what a batch comes to that was not answered by success."""
    if isinstance(error, ClientError):
        code = error.response["Error"]["Code"]
        if code == "InvalidChangeBatch":
            return _Rejected(why=_words(error))
        if code in _BUSY:
            return Refused(why=_words(error), retry_s=BUSY_RETRY_S)
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < http.HTTPStatus.INTERNAL_SERVER_ERROR:
            return Refused(why=_words(error))
    elif isinstance(error, _UNSENT):
        return Refused(why=_words(error))
    return Unclear(why=_words(error))


def _words(error: BotoCoreError | ClientError) -> str:
    if not isinstance(error, ClientError):
        return str(error)
    said = error.response["Error"]
    return f"it says {said['Code']}: {said.get('Message', '')}".rstrip(": ") + _ADVICE.get(said["Code"], "")


def _is_at(record_set: RecordSet, owner: Name) -> bool:
    return name_of(record_set["Name"]) == owner


def _client(endpoint_url: str | None, answer_s: float, *, attempts: int) -> Any:
    config = Config(
        region_name=REGION,
        connect_timeout=CONNECT_S,
        read_timeout=answer_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )
    return boto3.session.Session().client("route53", endpoint_url=endpoint_url, config=config)


_SAID: Final = ("IsTruncated", "ChangeInfo")  # one of which is in every whole answer
_CUT: Final = "its answer is cut off"
_NEXT: Final = ("NextRecordName", "NextRecordType", "NextRecordIdentifier")
_ADVICE: Final[Mapping[str, str]] = {
    "AccessDenied": "; allow it ListHostedZonesByName, ListResourceRecordSets, ChangeResourceRecordSets and GetChange",
    "NoSuchHostedZone": "; see what zone_ids says",
}
