"""Every fuzz target by name, and all of them as one, whose octets begin with the number of the target they are for."""

from collections.abc import Iterator
from typing import Final

from fuzz.files import FILES
from fuzz.messages import MESSAGES
from fuzz.requests import REQUESTS
from fuzz.streams import STREAMS
from fuzz.target import Target
from fuzz.web import WEB
from fuzz.zones import ZONES

TARGETS: Final[dict[str, Target]] = {**MESSAGES, **REQUESTS, **STREAMS, **WEB, **FILES, **ZONES}
ALL: Final = "all"


def target_of(name: str) -> Target:
    """Return the target `name`, which may be `ALL`.

    Raises:
        KeyError: there is none.
    """
    return Target(law=_any_law, seeds=_all_seeds) if name == ALL else TARGETS[name]


def _any_law(octets: bytes) -> None:
    if octets:
        laws = [target.law for target in TARGETS.values()]
        laws[octets[0] % len(laws)](octets[1:])


def _all_seeds() -> Iterator[bytes]:
    for number, target in enumerate(TARGETS.values()):
        for seed in target.seeds():
            yield bytes((number,)) + seed
