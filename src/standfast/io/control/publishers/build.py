"""Publishers made of their settings. Nothing is asked of them yet.

Each kind is loaded when one of it is there: a process that writes to one server does not wait for all the others.
"""

import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, assert_never

from standfast.control.publishing import Publisher
from standfast.dns.model import Name
from standfast.dns.tsig import TsigKey
from standfast.errors import StandfastError
from standfast.io.settings.control import ControlConfig, PublisherSettings
from standfast.io.settings.control_keys import PublisherKind

if TYPE_CHECKING:
    from standfast.io.authority.zones import ServedZones


class PublisherUnusable(StandfastError):
    """A publisher cannot be used in this process. Fields: `publisher`, `why`; says what to do."""

    def __init__(self, publisher: str, why: str) -> None:
        super().__init__(f'publisher "{publisher}": {why}')
        self.publisher = publisher
        self.why = why


def build_publishers(control: ControlConfig, *, served: "ServedZones | None") -> dict[str, Publisher]:
    """Return all publishers of the configuration, by their names.

    Args:
        control: the settings; nothing is wrong with them.
        served: the zones of the authority in this very process, where there is one.

    Raises:
        PublisherUnusable: one cannot be reached from this process.
    """
    return {each.name: build_publisher(each, control.keys, served=served) for each in control.publishers}


def build_publisher(
    settings: PublisherSettings, keys: Mapping[Name, TsigKey], *, served: "ServedZones | None"
) -> Publisher:
    """Return one of them.

    Raises:
        PublisherUnusable: it cannot be reached from this process.
    """
    match settings.kind:
        case PublisherKind.AUTHORITY:
            return _own(settings, served)
        case PublisherKind.RFC2136:
            return _rfc2136(settings, keys)
        case PublisherKind.ROUTE53:
            return _route53(settings)
        case _:
            assert_never(settings.kind)


def _own(settings: PublisherSettings, served: "ServedZones | None") -> Publisher:
    if served is None:
        why = "it is the authority of another process; reach it from here by kind rfc2136, server and key"
        raise PublisherUnusable(settings.name, why)
    from standfast.io.control.publishers.own import OwnPublisher  # noqa: PLC0415

    return OwnPublisher(settings.name, served)


def _rfc2136(settings: PublisherSettings, keys: Mapping[Name, TsigKey]) -> Publisher:
    from standfast.io.authority.primaries import Primary  # noqa: PLC0415
    from standfast.io.control.publishers.rfc2136 import Rfc2136Publisher  # noqa: PLC0415

    assert settings.server is not None  # the settings were checked
    key = keys[settings.server.key] if settings.server.key else None
    primary = Primary(server=settings.server.server, key=key)
    return Rfc2136Publisher(settings.name, primary, rng=random.SystemRandom(), wall=time.time)


def _route53(settings: PublisherSettings) -> Publisher:
    try:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415  an extra, as is what needs it

        from standfast.io.control.publishers.route53 import Route53Publisher  # noqa: PLC0415
    except ModuleNotFoundError as error:
        why = f'{error.name} is not installed; install it: pip install "standfast[aws]"'
        raise PublisherUnusable(settings.name, why) from error
    try:
        return Route53Publisher(settings.name, endpoint_url=settings.endpoint_url, zone_ids=settings.zone_ids)
    except BotoCoreError as error:
        why = f"{error}; see the settings that all AWS tools use: AWS_PROFILE, ~/.aws/config"
        raise PublisherUnusable(settings.name, why) from error
