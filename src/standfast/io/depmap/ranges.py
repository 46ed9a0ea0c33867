"""The lists of address ranges that the user has, in one folder: the providers' own, and tables of networks."""

import os
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from standfast.depmap.attribution.address_lists import READER, AddressList, read_address_list, table_of_places
from standfast.depmap.attribution.addresses import Lists
from standfast.depmap.attribution.networks import NETWORKS, NetworkTable
from standfast.depmap.errors import ModelError
from standfast.depmap.statements import Remark, Witness
from standfast.io.depmap.model_files import OCTETS_MAX, read_model_file

FILES_MAX: Final = 100  # of one folder; there are not so many providers, so it is the wrong one

_TABLES: Final = (".tsv", ".tsv.gz")  # what tables of networks end with
_GZIP: Final = b"\x1f\x8b"  # how files of RFC 1952 begin


def ranges_dir(environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the folder: `$STANDFAST_RANGES`, else below `$CACHE_DIRECTORY` (systemd) or the user's cache.

    None where the user has no home.
    """
    if environ.get("STANDFAST_RANGES"):
        return Path(environ["STANDFAST_RANGES"])
    if environ.get("CACHE_DIRECTORY"):
        return (
            Path(environ["CACHE_DIRECTORY"].split(":")[0]) / "ranges"
        )  # systemd.exec(5): several have a colon between
    if environ.get("XDG_CACHE_HOME"):
        return Path(environ["XDG_CACHE_HOME"]) / "standfast" / "ranges"
    try:
        return Path.home() / ".cache" / "standfast" / "ranges"
    except RuntimeError:
        return None


def read_lists(folder: Path | None) -> Lists:
    """Return what the lists in `folder` say. One that cannot be read is a remark, and the rest still holds."""
    lists: list[tuple[AddressList, Witness]] = []
    networks: list[tuple[NetworkTable, Witness]] = []
    remarks: list[Remark] = []
    for path in _files(folder, remarks):
        try:
            read, dated = read_one(read_model_file(path), file=path.name), _day_of(path)
        except ModelError as error:
            remarks.append(_remark(path.name, error.reason))
            continue
        if isinstance(read, NetworkTable):
            networks.append((read, Witness(reader=NETWORKS, where=f"{path.name} of {dated}")))
        else:
            lists.append((read, Witness(reader=READER, where=f"{path.name} of {read.dated or dated}")))
            if read.unread:
                said = f'{len(read.unread)} of its entries are no ranges, the first "{read.unread[0]}"'
                remarks.append(_remark(path.name, said))
    return Lists(places=table_of_places(lists), networks=networks, remarks=tuple(remarks))


def read_one(octets: bytes, *, file: str) -> AddressList | NetworkTable:
    """Return the list that `octets`, perhaps packed by gzip, are; `file` is its name, without its folder.

    Raises:
        ModelError: they are none.
    """
    if octets.startswith(_GZIP):
        octets = _unpacked(octets, file)
    return NetworkTable(octets, file=file) if file.endswith(_TABLES) else read_address_list(octets, file=file)


def _files(folder: Path | None, remarks: list[Remark]) -> list[Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file()) if folder else []
    except FileNotFoundError:
        return []
    except OSError as error:
        remarks.append(_remark(str(folder), f"cannot be read: {error.strerror}"))
        return []
    paths = [path for path in paths if not path.name.startswith(".")]
    if len(paths) > FILES_MAX:
        remarks.append(_remark(str(folder), f"has {len(paths)} files, of which the first {FILES_MAX} are read"))
    return paths[:FILES_MAX]


def _unpacked(octets: bytes, file: str) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)  # 16: as gzip has it
    try:
        found = unpacker.decompress(octets, OCTETS_MAX)
    except zlib.error:
        raise ModelError("is no gzip file, or damaged", file=file) from None
    if not unpacker.eof:
        more = unpacker.unconsumed_tail
        raise ModelError(f"has more than {OCTETS_MAX >> 20} MiB unpacked" if more else "is cut off", file=file)
    return found


def _day_of(path: Path) -> str:
    """Return when the file was written, for lists that do not say when they were published."""
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d")


def _remark(where: str, text: str) -> Remark:
    return Remark(text=text, by=Witness(reader=READER, where=where))
