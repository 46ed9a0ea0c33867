"""The enactor: brings one zone at one publisher to the newest plan, from whatever it finds. Decides only; does nothing.

The shell does each action and answers it by an event; nothing but the fence inside the write keeps it safe, so any
number of these may run at once, stall for as long as they like, end anywhere, or have a write arrive late:

    fence -> newest plan -> what is between -> write, write, ..., done
      |         |               |                 `- late, unclear: the fence is read back before anything is believed
      |         |               `- a chain of plans from the fence: their changes; else the whole publication, repaired
      |         `- none, older than the fence, another one of its number: rest, nothing is written
      `- read first: a plan is kept before it is published, so a fence ahead of the newest plan is a store that was lost
"""

from dataclasses import replace
from typing import Final, TypeAlias, assert_never

from standfast.control.batches import Chunk, batched, with_room_for
from standfast.control.difference import removed_by, repair
from standfast.control.enacting import (
    Action,
    AskFence,
    AskingFence,
    AskingNewest,
    AskingPlans,
    AskingWhole,
    AskNewest,
    AskPlans,
    AskWhole,
    Cause,
    Event,
    Failed,
    FenceRead,
    Job,
    NewestRead,
    Paused,
    Phase,
    PlansRead,
    ReadingBack,
    Rest,
    Resting,
    Settled,
    State,
    Wake,
    WholeRead,
    Write,
    Writing,
)
from standfast.control.fence import Fence, Standing
from standfast.control.generations import digits_of, folded, is_of
from standfast.control.plan import PlanHead
from standfast.control.publishing import Batch, Late, Refused, Unclear, Written
from standfast.dns.changes import Change
from standfast.dns.model import Name

SENT_MAX: Final = 3  # times that one batch is sent without a rest, where each time nobody knows what came of it
AT_ONCE_S: Final = 0.0  # somebody else was faster, or the store moved on: what there is to do now is another thing
NAMES_SHOWN: Final = 3  # in a text for people

Step: TypeAlias = tuple[State, Action]


def begin(job: Job) -> Step:
    """Return a machine that knows nothing yet, and the first thing to do."""
    return State(job=job, phase=AskingFence(whole=False)), AskFence()


def step(state: State, event: Event) -> Step:
    """Return what becomes of a machine by what came of its action, and its next one.

    Raises:
        ValueError: the event is no answer to the action.
    """
    if (done := taken(state, event)) is not None:
        return _gone_on(state, done)
    match state.phase, event:
        case (Resting() | Paused()) as resting, Wake(whole=whole):
            return _woken(state, resting, whole=whole)
        case AskingFence(whole=whole), FenceRead(fence=fence):
            return _to(state, AskingNewest(fence=fence, whole=whole), AskNewest())
        case AskingNewest(fence=fence, whole=whole), NewestRead(head=head):
            return _compared(state, fence, head, whole=whole)
        case AskingPlans(fence=fence, plan=plan), PlansRead(plans=plans):
            changes = folded(plans, fence, plan)
            if changes is None:
                return _ask_whole(state, fence, plan, whole=False)
            return _written_down(state, fence, plan, changes, seen=False)
        case AskingWhole() as asking, WholeRead() as read:
            return _repaired(state, asking, read)
        case Writing() as writing, (Late() | Refused() | Unclear()) as outcome:
            return _answered(state, writing, outcome)
        case ReadingBack() as reading, FenceRead(fence=fence):
            return _not_ours(state, reading, fence)
        case ((AskingFence(whole=whole) | AskingNewest(whole=whole) | AskingWhole(whole=whole)), Failed(why=why)):
            return _rest(state, Cause.UNREAD, why, whole=whole)
        case ((AskingPlans() | ReadingBack()), Failed(why=why)):
            return _rest(state, Cause.UNREAD, why)
        case phase, _:
            raise ValueError(f"{event} is no answer to {phase}")


def taken(state: State, event: Event) -> Writing | None:
    """Return the write that `event` says is done, as the machine `state` will take it; None where it says no such."""
    match state.phase, event:
        case Writing() as writing, Written():
            return writing
        case ReadingBack(writing=writing), FenceRead(fence=fence) if fence == writing.batch.fence:
            return writing
        case _:
            return None


def _woken(state: State, resting: Resting | Paused, *, whole: bool) -> Step:
    match resting:
        case Paused(writing=writing) if not whole:
            return _to(state, writing, Write(batch=writing.batch))
        case Paused():
            return _to(state, AskingFence(whole=True), AskFence())
        case Resting(whole=owed):
            return _to(state, AskingFence(whole=owed or whole), AskFence())
        case _:
            assert_never(resting)


def _compared(state: State, fence: Standing, head: PlanHead | None, *, whole: bool) -> Step:
    """Decide by the fence that stands and the newest plan, read in this order, so that neither runs ahead unnoticed."""
    if head is None:
        return _rest(state, Cause.NO_PLAN, f"there is no plan of {state.job.zone} yet", whole=whole)
    if isinstance(fence, Fence) and fence.generation > head.generation:
        why = f"generation {fence.generation} is published, the newest plan is {head.generation}"
        return _rest(state, Cause.AHEAD, why, whole=whole)
    if isinstance(fence, Fence) and fence.generation == head.generation and not is_of(fence, head):
        why = f"generation {fence.generation} is published by plan {fence.plan}, the newest is {digits_of(head)}"
        return _rest(state, Cause.FORKED, why, whole=whole)
    if not isinstance(fence, Fence) or not fence.done or whole:
        return _ask_whole(state, fence, head, whole=whole)
    if fence.generation == head.generation:
        return _to(state, Resting(), Settled(fence=fence))
    return _to(state, AskingPlans(fence=fence, plan=head), AskPlans(after=fence.generation, to=head.generation))


def _ask_whole(state: State, fence: Standing, plan: PlanHead, *, whole: bool) -> Step:
    """Have all read. What plans take away up to a fence that is done is gone; of any other nobody knows how much is."""
    after = fence.generation if isinstance(fence, Fence) and fence.done else 0
    return _to(state, AskingWhole(plan=plan, whole=whole), AskWhole(plan=plan, after=after))


def _repaired(state: State, asking: AskingWhole, read: WholeRead) -> Step:
    """Decide by all that is published. Its own fence is what is expected: both are of one moment."""
    plan, fence = asking.plan, read.reading.fence
    if read.planned is None:
        why = f"plan {plan.generation} was collected meanwhile"
        return _rest(state, Cause.MOVED, why, retry_s=AT_ONCE_S, whole=asking.whole)
    if isinstance(fence, Fence) and fence.generation >= plan.generation and not is_of(fence, plan):
        why = f"generation {fence.generation} was published meanwhile"
        return _rest(state, Cause.MOVED, why, retry_s=AT_ONCE_S, whole=asking.whole)
    changes = repair(read.planned, removed_by(read.plans), read.reading.content)
    if not changes and isinstance(fence, Fence) and fence.done and fence.generation == plan.generation:
        return _to(state, Resting(), Settled(fence=fence))
    return _written_down(state, fence, plan, changes, seen=True)


def _written_down(state: State, fence: Standing, plan: PlanHead, changes: tuple[Change, ...], *, seen: bool) -> Step:
    """Begin to write what there is to write; where there is nothing, the fence alone."""
    chunks, too_large = batched(changes, state.job.limits, state.job.zone)
    if not chunks and too_large:
        return _rest(state, Cause.TOO_LARGE, _say_too_large(too_large))
    return _write(state, fence, plan, with_room_for(fence, chunks) or ((),), too_large, seen=seen)


def _write(
    state: State,
    expect: Standing,
    plan: PlanHead,
    chunks: tuple[Chunk, ...],
    too_large: tuple[Name, ...],
    *,
    seen: bool,
) -> Step:
    chunk, *left = chunks
    fence = Fence(
        generation=plan.generation,
        step=expect.step + 1 if isinstance(expect, Fence) and expect.generation == plan.generation else 1,
        done=not left and not too_large,
        plan=digits_of(plan),
        writer=f"{state.job.writer}.{state.writes + 1}",
    )
    batch = Batch(zone=state.job.zone, expect=expect, fence=fence, changes=chunk, seen=seen)
    writing = Writing(batch=batch, plan=plan, left=tuple(left), too_large=too_large)
    return State(job=state.job, phase=writing, writes=state.writes + 1), Write(batch=batch)


def _answered(state: State, writing: Writing, outcome: Late | Refused | Unclear) -> Step:
    match outcome:
        case Late():
            return _to(state, ReadingBack(writing=writing, late=True), AskFence())
        case Unclear():
            return _to(state, ReadingBack(writing=writing, late=False), AskFence())
        case Refused(why=why, retry_s=None):
            # What stands there may be in the way, which only a reading of all of it can tell.
            return _rest(state, Cause.REFUSED, why, whole=True)
        case Refused(why=why, retry_s=retry_s):
            return _to(state, Paused(writing=writing), Rest(cause=Cause.REFUSED, why=why, retry_s=retry_s))
        case _:
            assert_never(outcome)


def _not_ours(state: State, reading: ReadingBack, fence: Standing) -> Step:
    """Decide by another fence than the write would have left."""
    writing = reading.writing
    if fence != writing.batch.expect:
        return _rest(state, Cause.MOVED, "another enactor has published meanwhile", retry_s=AT_ONCE_S)
    if reading.late:
        return _rest(state, Cause.REFUSED, "the fence that stands is the expected one, and is refused")
    if writing.sent >= SENT_MAX:
        return _rest(state, Cause.UNCLEAR, f"{SENT_MAX} times nobody knew whether a write was done, and it was not")
    # It is the very same batch: whichever arrives first, the other one finds a fence that it does not expect.
    return _to(state, replace(writing, sent=writing.sent + 1), Write(batch=writing.batch))


def _gone_on(state: State, writing: Writing) -> Step:
    """Go on after a batch that is written."""
    if writing.left:
        batch = writing.batch
        return _write(state, batch.fence, writing.plan, writing.left, writing.too_large, seen=batch.seen)
    if writing.too_large:
        return _rest(state, Cause.TOO_LARGE, _say_too_large(writing.too_large))
    return _to(state, Resting(), Settled(fence=writing.batch.fence))


def _rest(state: State, cause: Cause, why: str, *, retry_s: float | None = None, whole: bool = False) -> Step:
    return _to(state, Resting(whole=whole), Rest(cause=cause, why=why, retry_s=retry_s))


def _to(state: State, phase: Phase, action: Action) -> Step:
    return State(job=state.job, phase=phase, writes=state.writes), action


def _say_too_large(names: tuple[Name, ...]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN]) + (f" and {len(names) - NAMES_SHOWN} more" * (len(names) > NAMES_SHOWN))
    return f"no write that the publisher takes can hold the records of {shown}: have fewer of them"
