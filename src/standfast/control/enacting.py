"""What an enactor works on, asks for, hears and waits for. Data only: `control.enactor` decides."""

from enum import StrEnum
from typing import TypeAlias

from standfast.control.batches import Chunk
from standfast.control.fence import Fence, Standing
from standfast.control.plan import Content, Plan, PlanHead
from standfast.control.publishing import Batch, BatchLimits, Outcome, Reading
from standfast.dns.model import Name
from standfast.values import value


@value
class Job:
    """What one machine works on. `writer` is its process: no other ever has the same, and its restart has another."""

    zone: Name
    writer: str  # with the number of a write it fits in a fence
    limits: BatchLimits = BatchLimits()


# Actions: what the shell has to do.


@value
class AskFence:
    """Read which fence stands: `FenceRead` or `Failed`."""


@value
class AskNewest:
    """Read which plan is the newest: `NewestRead` or `Failed`."""


@value
class AskPlans:
    """Read all plans that are kept of generations later than `after`, up to `to`: `PlansRead` or `Failed`."""

    after: int
    to: int


@value
class AskWhole:
    """Read all that is published, all that `plan` plans, and the plans of `AskPlans`: `WholeRead` or `Failed`.

    It is about this very plan: another of its number, of a store that was lost and began anew, is none of it.
    """

    plan: PlanHead
    after: int


@value
class Write:
    """Send the batch: an `Outcome`."""

    batch: Batch


@value
class Settled:
    """Nothing is to do until something changes: the newest plan is published, as `fence` says. `Wake` goes on."""

    fence: Fence


class Cause(StrEnum):
    """Why an enactor rests though it is not done."""

    NO_PLAN = "no-plan"  # none is kept yet, or the store was lost: the planner makes one
    AHEAD = "ahead"  # what is published is later than all plans: the planner has to plan anew
    FORKED = "forked"  # what is published is another plan of the newest's number: the planner has to plan anew
    UNREAD = "unread"  # the publisher or the store cannot be read
    MOVED = "moved"  # others were faster, or a plan was collected: look again
    REFUSED = "refused"  # the publisher does not take the write
    UNCLEAR = "unclear"  # nobody knows whether a write was done
    TOO_LARGE = "too-large"  # all else is published; these names fit in no write that the publisher takes


@value
class Rest:
    """Do nothing until `Wake`: after `retry_s` seconds or, None, when something changes or the shell sees fit."""

    cause: Cause
    why: str
    retry_s: float | None = None


Action: TypeAlias = AskFence | AskNewest | AskPlans | AskWhole | Write | Settled | Rest


# Events: what came of it.


@value
class FenceRead:
    """What stands at the fence's place; None: nothing."""

    fence: Standing


@value
class NewestRead:
    """The newest plan; None: there is none."""

    head: PlanHead | None


@value
class PlansRead:
    """The plans that were found, in order."""

    plans: tuple[Plan, ...]


@value
class WholeRead:
    """What is published, of one moment; what should be, None where that plan is gone; and the plans since `after`."""

    reading: Reading
    planned: Content | None
    plans: tuple[Plan, ...]


@value
class Failed:
    """The publisher or the store could not be read."""

    why: str


@value
class Wake:
    """Look again. `whole`: what is published was seen to differ from the plan, so all of it is to be read."""

    whole: bool = False


Event: TypeAlias = FenceRead | NewestRead | PlansRead | WholeRead | Outcome | Failed | Wake


# States: what the machine waits for.


@value
class AskingFence:
    """Which fence stands?"""

    whole: bool


@value
class AskingNewest:
    """Which plan is the newest?"""

    fence: Standing
    whole: bool


@value
class AskingPlans:
    """What lies between the fence and the newest plan?"""

    fence: Fence
    plan: PlanHead


@value
class AskingWhole:
    """What is published, and what should be?"""

    plan: PlanHead
    whole: bool


@value
class Writing:
    """What becomes of the batch? `left` is what follows it; `too_large` the names that had to be left out."""

    batch: Batch
    plan: PlanHead
    left: tuple[Chunk, ...]
    too_large: tuple[Name, ...]
    sent: int = 1


@value
class ReadingBack:
    """Was the batch written, though it was not said? `late`: another fence is said to stand."""

    writing: Writing
    late: bool


@value
class Paused:
    """The publisher asked for patience; the batch was not written."""

    writing: Writing


@value
class Resting:
    """Until `Wake`. `whole`: a reading of all is still owed."""

    whole: bool = False


Phase: TypeAlias = (
    AskingFence | AskingNewest | AskingPlans | AskingWhole | Writing | ReadingBack | Paused | Resting
)  # fmt: skip


@value
class State:
    """A machine between an action and its event. `writes` counts its batches, so that no two leave the same fence."""

    job: Job
    phase: Phase
    writes: int = 0
