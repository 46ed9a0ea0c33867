"""Fetches the lists of address ranges that providers publish. One that is broken or much too small replaces none."""

import asyncio
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from standfast.depmap.attribution.networks import NetworkTable
from standfast.depmap.errors import ModelError
from standfast.io.depmap.model_files import read_model_file
from standfast.io.depmap.ranges import read_one
from standfast.io.faults import in_words
from standfast.io.web_pages import NoPage, read_page
from standfast.io.whole_files import write_whole

TIMEOUT_S: Final = 120.0  # for one list; the largest has 10 MB
LIST_OCTETS_MAX: Final = 64 << 20  # as it comes; the largest has 10 MB
SHRUNK: Final = 0.5  # of the ranges that were there: so many or fewer are taken for a mistake of whoever published them


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A list: its name, where it is, and the file that holds it. With `link`, `url` is a page that links to it."""

    name: str
    url: str
    file: str
    link: re.Pattern[bytes] | None = None


PUBLISHED: Final = (
    Published(name="aws", url="https://ip-ranges.amazonaws.com/ip-ranges.json", file="aws-ip-ranges.json"),
    Published(
        name="azure",
        url="https://www.microsoft.com/en-us/download/details.aspx?id=56519",
        file="azure-service-tags.json",
        link=re.compile(rb"https://download\.microsoft\.com/[\w/.-]+/ServiceTags_Public_\d{8}\.json"),
    ),
    Published(name="cloudflare", url="https://api.cloudflare.com/client/v4/ips", file="cloudflare-ip-ranges.json"),
    Published(name="fastly", url="https://api.fastly.com/public-ip-list", file="fastly-ip-ranges.json"),
    Published(name="google", url="https://www.gstatic.com/ipranges/cloud.json", file="google-cloud-ip-ranges.json"),
    Published(
        name="oracle",
        url="https://docs.oracle.com/iaas/tools/public_ip_ranges.json",
        file="oracle-cloud-ip-ranges.json",
    ),
    Published(name="networks", url="https://iptoasn.com/data/ip2asn-combined.tsv.gz", file="ip2asn-combined.tsv.gz"),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """The list is good; `before` is how many ranges the one before had, None where there was none."""

    ranges: int
    before: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """The list is not to be had, or not to be believed: what was there still is, with its `before` ranges."""

    why: str
    before: int | None


Outcome = Taken | Kept


async def fetch_all(
    lists: Sequence[Published], folder: Path, *, tls: ssl.SSLContext, mirror: str | None = None, dry_run: bool = False
) -> list[Outcome]:
    """Fetch `lists`, all at once, into `folder`; return what became of each.

    Args:
        lists: which.
        folder: where they go; made if it is not there.
        tls: whom to trust.
        mirror: a URL below which each is by the name of its file; None: everyone's own.
        dry_run: fetch and look, and write nothing.

    Raises:
        ModelError: the folder cannot be written to.
    """
    return list(await asyncio.gather(*(_refreshed(each, folder, tls, mirror, dry_run=dry_run) for each in lists)))


async def _refreshed(
    each: Published, folder: Path, tls: ssl.SSLContext, mirror: str | None, *, dry_run: bool
) -> Outcome:
    path = folder / each.file
    before = _held(path)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            octets = await _fetched(each, tls, mirror)
        ranges = _ranges(octets, each.file)
    except TimeoutError:
        return Kept(f"it did not come within {TIMEOUT_S:g} s", before)
    except NoPage as error:
        return Kept(str(error), before)
    except ModelError as error:
        return Kept(f"it {error.reason}", before)
    if before is not None and ranges <= before * SHRUNK:
        return Kept(f"it has {ranges} ranges instead of {before} - if that is right, remove {path}", before)
    if not dry_run:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, octets, mode=0o644)
        except OSError as error:
            raise ModelError(f"cannot be written: {in_words(error)}", file=str(path)) from error
    return Taken(ranges, before)


async def _fetched(each: Published, tls: ssl.SSLContext, mirror: str | None) -> bytes:
    url = each.url if mirror is None else f"{mirror.rstrip('/')}/{each.file}"
    if mirror is None and each.link is not None:
        found = each.link.search(await read_page(url, tls, octets_max=LIST_OCTETS_MAX))
        if found is None:
            raise NoPage(f"{url} links to none - fetch it by hand, and call it {each.file}")
        url = found[0].decode("ascii")
    octets = await read_page(url, tls, octets_max=LIST_OCTETS_MAX + 1)
    if len(octets) > LIST_OCTETS_MAX:
        raise NoPage(f"it is larger than {LIST_OCTETS_MAX >> 20} MiB")
    return octets


def _held(path: Path) -> int | None:
    """Return how many ranges the file at `path` has, None where it is not there or broken."""
    try:
        return _ranges(read_model_file(path), path.name)
    except ModelError:
        return None


def _ranges(octets: bytes, file: str) -> int:
    read = read_one(octets, file=file)
    return read.ranges if isinstance(read, NetworkTable) else len(read.ranges)
