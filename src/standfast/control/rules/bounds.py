"""How much a plan may change before a rule has something to say. Data only."""

from standfast.values import value


@value
class Bounds:
    """The numbers of `[control.rules]`."""
