"""The files of an intent as they are written, each held against its form, and where their parts stand."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from standfast.io.control.intent_keys import INTENT_FORM, IntentKeys
from standfast.io.control.keyed_texts import JSON_OCTETS_MAX, BadText, KeyedText, lines_around, read_keyed_text
from standfast.io.faults import in_words
from standfast.io.settings.control import ControlConfig, WrittenIntent
from standfast.io.settings.forms import Held, hold
from standfast.io.settings.places import Finding
from standfast.io.settings.toml_lines import Where

FAULTS_MAX: Final = 100  # told of one file: by then it is another format


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file: how findings call it, the directory that its paths start from, what it says, and how to find lines.

    `path` is where it is read from, and `digest` a hash of what was; None for what is no file of its own.
    """

    file: str
    base: Path
    text: KeyedText
    held: Held[IntentKeys]
    path: Path | None = None
    digest: bytes = b""

    def keys(self, table: str) -> Collection[str]:
        """Return the names that it has in `table`, also of what was left out since something is wrong with it."""
        said = self.text.content.get(table)
        return said.keys() if isinstance(said, dict) else ()

    def lines(self, places: Collection[Where]) -> Mapping[Where, int | None]:
        """Return the line of each of `places` of what it holds."""
        before = {where: self.held.before(where) for where in places}
        found = lines_around(self.text, set(before.values()))
        return {where: found[before[where]] for where in places}

    def own_findings(self) -> list[Finding]:
        """Return what is wrong with it by itself."""
        faults = [(where, f'"{where[-1]}" is there twice') for where in self.text.twice]
        faults += [(where, text) for where, text in self.held.faults]
        told = faults[:FAULTS_MAX]
        lines = lines_around(self.text, {where for where, _ in told})
        found = [Finding(file=self.file, line=lines[where], text=text) for where, text in told]
        if len(faults) > len(told):
            found.append(Finding(file=self.file, text=f"and {len(faults) - len(told)} more"))
        return found


def read_parts(control: ControlConfig) -> tuple[list[Part], list[Finding]]:
    """Return all files of the intent that can be read, and what is wrong with the others."""
    parts: list[Part] = []
    findings: list[Finding] = []
    for path in control.intent:
        try:
            octets = read_octets(path)
            text = read_keyed_text(octets, path.suffix)
            parts.append(replace(_part(text, str(path), path.parent), path=path, digest=digest_of(octets)))
        except OSError as error:
            findings.append(Finding(file=str(path), text=f"cannot be read: {in_words(error)}"))
        except BadText as error:
            findings.append(Finding(file=str(path), line=error.line, text=error.reason))
    if control.written is not None:
        parts.append(_part(_written(control.written), control.written.file, Path(control.written.file).parent))
    return parts, findings


def digest_of(octets: bytes) -> bytes:
    """Return what tells one version of a file from another."""
    return hashlib.sha256(octets).digest()


def read_octets(path: Path) -> bytes:
    """Return what is in a file.

    Raises:
        OSError: it cannot be read.
        BadText: it is larger than any intent.
    """
    size = path.stat().st_size
    if size > JSON_OCTETS_MAX:
        raise BadText(f"it has {size} octets, and at most {JSON_OCTETS_MAX} are read")
    return path.read_bytes()


def _part(text: KeyedText, file: str, base: Path) -> Part:
    return Part(file=file, base=base.absolute(), text=text, held=hold(text.content, INTENT_FORM))


def _written(written: WrittenIntent) -> KeyedText:
    content: Mapping[str, Any] = written.content
    return KeyedText(content=content, lines=lambda _: written.lines)
