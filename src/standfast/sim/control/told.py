"""What happens in the small world, in words that whoever runs services can follow."""

from standfast.control.enacting import Action, Rest, Settled
from standfast.control.fence import Fence, Standing, standing_told
from standfast.control.plan import PlanHead
from standfast.control.publishing import Batch
from standfast.dns.changes import Change
from standfast.dns.model import RRset, RRType


def fence_told(fence: Standing) -> str:
    """Return what a fence says: `plan 2, done`."""
    if not isinstance(fence, Fence):
        return standing_told(fence)
    return f"plan {fence.generation}, " + ("done" if fence.done else f"open at step {fence.step}")


def head_told(head: PlanHead | None) -> str:
    """Return which plan it is."""
    return "no plan" if head is None else f"plan {head.generation}"


def batch_told(batch: Batch) -> str:
    """Return what a write does: `plan 2 step 1 (db.example.com A 192.0.2.2), last of its plan`."""
    changes = ", ".join(_change_told(change) for change in batch.changes) or "the fence alone"
    last = ", the last of its plan" if batch.fence.done else ""
    return f"step {batch.fence.step} of plan {batch.fence.generation} ({changes}){last}"


def action_told(action: Action) -> str:
    """Return what comes of an action that ends something."""
    match action:
        case Settled():
            return ", and is done"
        case Rest(why=why):
            return f", and rests: {why}"
        case _:
            return ""


def _change_told(change: Change) -> str:
    match change:
        case Change(after=None, before=RRset() as gone):
            return f"no {_rrset_told(gone)} any more"
        case Change(after=RRset() as rrset):
            return _rrset_told(rrset)
        case _:
            return "nothing"


def _rrset_told(rrset: RRset) -> str:
    data = " ".join(".".join(map(str, each)) if rrset.rtype == RRType.A else "" for each in rrset.rdatas)
    return f"{rrset.owner} {RRType(rrset.rtype).name} {data}".strip()
