"""Plans in etcd, that processes of many machines share: all of it below one prefix, for which a role can be given.

What must be one operation is one transaction, compared on the revision of what it was decided by. A plan that is too
large for a request is written before in parts, under a lease; the transaction that makes it the newest takes them out
of the lease, so that it appears whole or not at all, and parts that nobody finished go by themselves.

A plan is kept as its octets, from which all that was planned with it is made again, from the last one on that stands
for itself, as in the store of one machine (`io.control.stores.sqlite`).
"""

import asyncio
import json
import secrets
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import chain
from math import ceil
from typing import Any, Final, Self, TypeAlias
from urllib.parse import quote, unquote

from standfast.control.generations import follows
from standfast.control.plan import Content, Plan, PlanHead, applied, read_plan
from standfast.control.store import Override, PlanStoreError, Proposal
from standfast.dns.model import Name
from standfast.dns.stored import pack_rrsets
from standfast.dns.wire import WireError
from standfast.io.control.stores.etcd_gateway import EtcdGateway, octets_of, text_of
from standfast.io.control.stores.rows import FORGOTTEN_ALWAYS, REPORTS_MAX, finding_of, is_alone, nodes_of, rrsets_of

PREFIX: Final = "standfast/"
PART_OCTETS: Final = 1 << 20  # etcd takes requests of 1.5 MiB
PARTS_MAX: Final = 100  # of one plan, compressed; etcd takes 128 operations in a transaction
PARTS_LEASE_S: Final = 600  # until parts go whose plan never came
QUIET_S: Final = 10.0  # that a watch says nothing, until it is seen whether its member and most others are there
COLLECT_AT_ONCE: Final = 40  # plans; each takes two operations at most

Op: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blob:
    """Octets that stand in parts at `id`, compressed; `size` is theirs before."""

    id: str
    parts: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What is kept of one plan. `whole`: all that is planned with it, where that is not made from the plan before."""

    generation: int
    hash: str
    made_at_s: float
    alone: bool  # its changes are all that is planned with it
    plan: _Blob
    whole: _Blob | None
    forgotten: bool = False
    revision: int = 0  # of etcd, at which it was read


class EtcdPlanStore:
    """A `control.store.PlanStore`, while it is `opened`. What it raises are `PlanStoreError`s."""

    def __init__(self, gateway: EtcdGateway, *, prefix: str = PREFIX) -> None:
        """Connect to nothing yet."""
        self._etcd = gateway
        self._data = f"{prefix}data/"
        self._parts = f"{prefix}parts/"
        self._leases = f"{prefix}leases/"
        self._latest: dict[Name, tuple[PlanHead, Content]] = {}  # what was kept or read last: to go on from
        self._added: dict[Name, Plan] = {}  # the last of this process: whoever published it needs it next

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Have it be there. Raises `PlanStoreError` where it cannot be used."""
        await self._etcd.revision(self._data.encode())
        yield self

    async def newest(self, zone: Name) -> PlanHead | None:
        """Return the newest plan's head."""
        return (await self._newest(zone))[0]

    async def add(self, plan: Plan, content: Content, *, after: PlanHead | None) -> bool:
        """Keep `plan` as the newest, if `after` is that until now; say whether it is kept."""
        newest, revision = await self._newest(plan.zone)
        if not follows(plan, after, newest):
            return False
        alone = is_alone(plan, content)
        makes_itself = alone or (after is not None and plan.base == after)
        octets, ops = await self._kept(plan.octets)
        whole = None
        if not makes_itself:
            whole, more = await self._kept(await asyncio.to_thread(lambda: pack_rrsets(rrsets_of(content))))
            ops += more
        row = _Row(
            generation=plan.generation,
            hash=plan.hash,
            made_at_s=plan.made_at_s,
            alone=alone,
            plan=octets,
            whole=whole,
        )
        head = {"generation": plan.generation, "hash": plan.hash}
        kept = await self._transact(
            {self._newest_key(plan.zone): revision},
            [_put(self._newest_key(plan.zone), _json(head)), _put(self._row_key(plan.zone, row), _row(row)), *ops],
        )
        if kept:
            self._latest[plan.zone] = (plan.head, content)
            self._added[plan.zone] = plan
        return kept

    async def plan(self, zone: Name, generation: int) -> Plan | None:
        """Return a plan; None where it was never there, or was collected."""
        row = await self._row(zone, generation)
        if row is None or row.forgotten:
            return None
        added = self._added.get(zone)
        return added if added is not None and added.hash == row.hash else await self._plan(zone, row)

    async def content(self, head: PlanHead) -> Content | None:
        """Return all that was planned with that very plan; None where it was never there, or was collected."""
        latest = self._latest.get(head.zone)
        rows = await self._rows(head.zone)
        row = next((row for row in rows if (row.generation, row.hash) == (head.generation, head.hash)), None)
        if row is None or row.forgotten:
            return None
        if latest is not None and latest[0] == head:
            return latest[1]
        content = await self._content(head.zone, rows, head.generation)
        if latest is None or latest[0].generation < head.generation:
            self._latest[head.zone] = (head, content)
        return content

    async def generations(self, zone: Name) -> Sequence[int]:
        """Return all that are kept, in order."""
        return [row.generation for row in await self._rows(zone) if not row.forgotten]

    async def collect(self, zone: Name, generations: Sequence[int]) -> None:
        """Forget these, but never the newest. What another process changed meanwhile is left for the next time."""
        newest = await self.newest(zone)
        if newest is None:
            return
        rows = {row.generation: row for row in await self._rows(zone)}
        wanted = [rows[each] for each in generations if each in rows and each < newest.generation]
        for at in range(0, len(wanted), COLLECT_AT_ONCE):
            some = [row for row in wanted[at : at + COLLECT_AT_ONCE] if not row.forgotten]
            if some:
                await self._change(zone, {row: replace(row, forgotten=True) for row in some})
        await self._compact(zone)

    async def lease(self, what: str, holder: str, ttl_s: float) -> bool:
        """Take or keep the lease on `what`."""
        key = self._leases + _quoted(what)
        found = await self._get(key)
        if found is not None:
            octets, held = found
            if octets.decode() != holder:
                return False
            kept = await self._etcd.write("/v3/lease/keepalive", {"ID": held.get("lease", "0")})
            if int(kept.get("result", {}).get("TTL", 0)) > 0:
                return True
        granted = (await self._etcd.write("/v3/lease/grant", {"TTL": str(ceil(ttl_s))}))["ID"]
        if await self._transact({key: 0}, [_put(key, holder.encode(), lease=granted)]):
            return True
        await self._etcd.write("/v3/lease/revoke", {"ID": granted})
        return False

    async def propose(self, zone: Name, proposal: Proposal | None) -> None:
        """Have this be the zone's only proposal; None: there is none."""
        key = self._data + f"proposals/{_quoted(zone)}"
        found = await self._get(key)
        ops = [_delete(key)] if proposal is None else []
        if proposal is not None:
            blob, ops = await self._kept(proposal.plan.octets)
            said = {
                "hash": proposal.plan.hash,
                "made_at_s": proposal.plan.made_at_s,
                "plan": asdict(blob),
                "findings": [asdict(finding) for finding in proposal.findings],
                "approved_by": proposal.approved_by,
                "reason": proposal.reason,
            }
            ops.append(_put(key, _json(said)))
        if found is not None:
            ops.append(self._without(_Blob(**json.loads(found[0])["plan"])))
        if (found or proposal) and not await self._transact({key: _revision(found)}, ops):
            raise PlanStoreError(f"another process proposed a plan of {zone} at the same time: it is read anew")

    async def proposal(self, zone: Name) -> Proposal | None:
        """Return the plan that waits for approval, or has it and was not yet added."""
        found = await self._get(self._data + f"proposals/{_quoted(zone)}")
        if found is None:
            return None
        said = json.loads(found[0])
        return Proposal(
            plan=_read(await self._blob(_Blob(**said["plan"])), said["made_at_s"], said["hash"]),
            findings=tuple(finding_of(each) for each in said["findings"]),
            approved_by=said["approved_by"],
            reason=said["reason"],
        )

    async def approve(self, zone: Name, hash_: str, *, person: str, reason: str) -> bool:
        """Approve the proposal if it is that very plan; say whether it was."""
        key = self._data + f"proposals/{_quoted(zone)}"
        found = await self._get(key)
        if found is None or (said := json.loads(found[0]))["hash"] != hash_:
            return False
        approved = said | {"approved_by": person, "reason": reason}
        return await self._transact({key: _revision(found)}, [_put(key, _json(approved))])

    async def overrides(self) -> Sequence[Override]:
        """Return all, ended ones too until somebody takes them away."""
        found = await self._range(self._data + "overrides/")
        return sorted(
            (Override(**json.loads(octets)) for _, octets, _ in found), key=lambda each: (each.rule, each.scope)
        )

    async def override(self, override: Override) -> None:
        """Keep an override; it takes the place of one of the same rule and scope."""
        key = f"{self._data}overrides/{_quoted(override.rule)}/{_quoted(override.scope)}"
        await self._transact({}, [_put(key, _json(asdict(override)))])

    async def report(self, vantage: str, readings: Mapping[str, str], *, at_s: float) -> None:
        """Keep what a vantage sees, whole: some 100,000 endpoints fit. Beyond `REPORTS_MAX`, forget the oldest."""
        octets = zlib.compress(_json({"at_s": at_s, "readings": dict(readings)}), level=1)
        if len(octets) > PART_OCTETS:
            raise PlanStoreError(
                f"the report of {vantage} is too large for etcd: have several vantages share the pools"
            )
        await self._transact({}, [_put(f"{self._data}reports/{_quoted(vantage)}", octets)])
        standing = await self._range(self._data + "reports/", keys_only=True)
        if len(standing) > REPORTS_MAX:
            in_order = sorted((int(kv["mod_revision"]), key) for key, _, kv in standing)
            revision, oldest = in_order[0]
            await self._transact({oldest: revision}, [_delete(oldest)])  # unless it is written just now

    async def reports(self) -> Mapping[str, tuple[float, Mapping[str, str]]]:
        """Return what each vantage saw last, and when (seconds since the epoch)."""
        found = {
            unquote(key.rpartition("/")[2]): json.loads(zlib.decompress(octets))
            for key, octets, _ in await self._range(self._data + "reports/")
        }
        return {vantage: (said["at_s"], said["readings"]) for vantage, said in sorted(found.items())}

    async def changed(self, since: int, timeout_s: float) -> int:
        """Return when anything may have changed since the call that returned `since`, or after that long."""
        if not since:
            return await self._etcd.revision(self._data.encode())
        begin = self._data.encode()
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(QUIET_S):
                            return await self._etcd.watch(begin, _end(begin), since=since)
                    await self._etcd.revision(begin)  # nothing happens, or the member has stalled: then it is left
        except TimeoutError:
            return since

    # Plans.

    def _newest_key(self, zone: Name) -> str:
        return f"{self._data}newest/{_quoted(zone)}"

    def _row_key(self, zone: Name, row: _Row) -> str:
        return f"{self._data}plans/{_quoted(zone)}/{row.generation:015d}"

    async def _newest(self, zone: Name) -> tuple[PlanHead | None, int]:
        """Return the newest head and the revision at which it was written; 0 where there is none."""
        found = await self._get(self._newest_key(zone))
        return (PlanHead(zone=zone, **json.loads(found[0])) if found else None), _revision(found)

    async def _row(self, zone: Name, generation: int) -> _Row | None:
        found = await self._get(f"{self._data}plans/{_quoted(zone)}/{generation:015d}")
        return None if found is None else _read_row(*found)

    async def _rows(self, zone: Name) -> list[_Row]:
        """Return all rows of a zone, in order, forgotten ones too."""
        found = await self._range(f"{self._data}plans/{_quoted(zone)}/")
        return [_read_row(octets, kv) for _, octets, kv in found]

    async def _plan(self, zone: Name, row: _Row) -> Plan:
        plan = _read(await self._blob(row.plan), row.made_at_s, row.hash)
        if plan.zone != zone:
            raise PlanStoreError(_damaged(f"plan {row.generation} of {zone}"))
        return plan

    async def _content(self, zone: Name, rows: Sequence[_Row], generation: int) -> Content:
        rows = [row for row in rows if row.generation <= generation]
        start = max((at for at, row in enumerate(rows) if row.alone or row.whole), default=None)
        latest = self._latest.get(zone)
        content: Content = {}
        known = (
            None if latest is None else next((at for at, row in enumerate(rows) if row.hash == latest[0].hash), None)
        )
        if latest is not None and known is not None and (start is None or start <= known):
            start, content = known + 1, latest[1]
        elif start is None:
            raise PlanStoreError(_damaged(f"what was planned of {zone} with generation {generation}"))
        elif (whole := rows[start].whole) is not None:
            octets = await self._blob(whole)
            content = await asyncio.to_thread(nodes_of, octets)
            start += 1
        plans = [await self._plan(zone, row) for row in rows[start:]]
        return applied(content, chain.from_iterable(plan.changes for plan in plans)) if plans else content

    async def _compact(self, zone: Name) -> None:
        """Let rows of forgotten plans go from which nothing is made, and make that so where they are many."""
        rows = await self._rows(zone)
        lowest = next((at for at, row in enumerate(rows) if not row.forgotten), None)
        if lowest is None:
            return
        start = max((at for at, row in enumerate(rows[: lowest + 1]) if row.alone or row.whole), default=0)
        size = sum(blob.size for blob in (rows[start].plan, rows[start].whole) if blob is not None)
        if sum(row.plan.size for row in rows[start + 1 : lowest]) > max(FORGOTTEN_ALWAYS, size):
            content = await self._content(zone, rows, rows[lowest].generation)
            whole, ops = await self._kept(await asyncio.to_thread(lambda: pack_rrsets(rrsets_of(content))))
            if not await self._change(zone, {rows[lowest]: replace(rows[lowest], whole=whole)}, ops):
                return
            start = lowest
        gone = [row for row in rows[:start] if row.forgotten]
        for at in range(0, len(gone), COLLECT_AT_ONCE):
            await self._change(zone, dict.fromkeys(gone[at : at + COLLECT_AT_ONCE]))

    async def _change(self, zone: Name, rows: Mapping[_Row, _Row | None], ops: Sequence[Op] = ()) -> bool:
        """Replace rows as they were read, None: by nothing; say whether nobody had changed them before."""
        all_ops = list(ops)
        for before, after in rows.items():
            if after is not None:
                all_ops.append(_put(self._row_key(zone, before), _row(after)))
                continue
            all_ops.append(_delete(self._row_key(zone, before)))
            all_ops += [self._without(blob) for blob in (before.plan, before.whole) if blob is not None]
        return await self._transact({self._row_key(zone, row): row.revision for row in rows}, all_ops)

    # Octets in parts.

    async def _kept(self, octets: bytes) -> tuple[_Blob, list[Op]]:
        """Write octets, and return what they are found by and what the transaction must do that makes them stay."""
        packed = await asyncio.to_thread(zlib.compress, octets, 1)
        parts = [packed[at : at + PART_OCTETS] for at in range(0, len(packed), PART_OCTETS)]
        if len(parts) > PARTS_MAX:
            raise PlanStoreError(
                f"a plan of {len(octets) >> 20} MiB is too large for etcd: manage fewer names in one zone"
            )
        blob = _Blob(id=secrets.token_hex(12), parts=len(parts), size=len(octets))
        if len(packed) <= PART_OCTETS // 4:
            return blob, [_put(self._part_key(blob, 0), packed)]
        lease = (await self._etcd.write("/v3/lease/grant", {"TTL": str(PARTS_LEASE_S)}))["ID"]
        for at, part in enumerate(parts):
            await self._transact({}, [_put(self._part_key(blob, at), part, lease=lease)])
        stay = {"ignore_value": True}  # and no lease: as it is, for good
        return blob, [
            {"request_put": {"key": text_of(self._part_key(blob, at).encode()), **stay}} for at in range(len(parts))
        ]

    async def _blob(self, blob: _Blob) -> bytes:
        found = [await self._get(self._part_key(blob, at)) for at in range(blob.parts)]
        if None in found:
            raise PlanStoreError(_damaged("parts of a plan"))
        packed = b"".join(part[0] for part in found if part is not None)
        try:
            return await asyncio.to_thread(zlib.decompress, packed)
        except zlib.error as error:
            raise PlanStoreError(_damaged("parts of a plan")) from error

    def _part_key(self, blob: _Blob, at: int) -> str:
        return f"{self._parts}{blob.id}/{at:04d}"

    def _without(self, blob: _Blob) -> Op:
        begin = f"{self._parts}{blob.id}/".encode()
        return {"request_delete_range": {"key": text_of(begin), "range_end": text_of(_end(begin))}}

    # Keys.

    async def _get(self, key: str) -> tuple[bytes, dict[str, Any]] | None:
        answer = await self._etcd.read("/v3/kv/range", {"key": text_of(key.encode())})
        for kv in answer.get("kvs", ()):
            return octets_of(kv.get("value", "")), kv
        return None

    async def _range(self, prefix: str, *, keys_only: bool = False) -> list[tuple[str, bytes, dict[str, Any]]]:
        begin = prefix.encode()
        asked = {"key": text_of(begin), "range_end": text_of(_end(begin)), "keys_only": keys_only}
        answer = await self._etcd.read("/v3/kv/range", asked)
        return [(octets_of(kv["key"]).decode(), octets_of(kv.get("value", "")), kv) for kv in answer.get("kvs", ())]

    async def _transact(self, unchanged: Mapping[str, int], ops: Iterable[Op]) -> bool:
        """Do all of `ops` if each key still has its revision (0: is not there); say whether they were done."""
        compare = [
            {"key": text_of(key.encode()), "target": "MOD", "result": "EQUAL", "mod_revision": str(revision)}
            for key, revision in unchanged.items()
        ]
        answer = await self._etcd.write("/v3/kv/txn", {"compare": compare, "success": list(ops)})
        return bool(answer.get("succeeded", False))


def _put(key: str, octets: bytes, *, lease: str = "0") -> Op:
    return {"request_put": {"key": text_of(key.encode()), "value": text_of(octets), "lease": lease}}


def _delete(key: str) -> Op:
    return {"request_delete_range": {"key": text_of(key.encode())}}


def _end(prefix: bytes) -> bytes:
    """Return what comes after all keys that begin with `prefix`, which does not end with 0xFF."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _json(said: object) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


def _row(row: _Row) -> bytes:
    return _json({key: said for key, said in asdict(row).items() if key != "revision"})


def _read_row(octets: bytes, kv: Mapping[str, Any]) -> _Row:
    said = json.loads(octets)
    plan, whole = said.pop("plan"), said.pop("whole")
    return _Row(
        **said,
        plan=_Blob(**plan),
        whole=None if whole is None else _Blob(**whole),
        revision=int(kv["mod_revision"]),
    )


def _revision(found: tuple[bytes, Mapping[str, Any]] | None) -> int:
    return 0 if found is None else int(found[1]["mod_revision"])


def _read(octets: bytes, made_at_s: float, hash_: str) -> Plan:
    try:
        plan = read_plan(octets, made_at_s=made_at_s)
    except WireError as error:
        raise PlanStoreError(_damaged("a plan")) from error
    if plan.hash != hash_:
        raise PlanStoreError(_damaged(f"plan {plan.generation} of {plan.zone}"))
    return plan


def _damaged(what: str) -> str:
    return (
        f"in etcd, {what} is not what it was. Put back a snapshot of it, or have it begin anew: then the next plan is "
        "made from what is published, and waits for its approval."
    )
