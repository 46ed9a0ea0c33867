"""Traces of OpenTelemetry: who was seen calling whom, in OTLP's JSON.

A call is a hard need, whether it went well or not. Who only sends messages to another needs it softly: work is left
undone, and done later; hard is the need of both of the queue. Each need says with its witness how many calls were seen.

Source: semantic conventions 1.0 to 1.4x; what attributes were called before (`net.peer.name`, `db.system`,
`messaging.destination`) is read beside what they are called now.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from standfast.depmap.graph import Kind, Need, all_of
from standfast.depmap.readers.gathering import Gathered
from standfast.depmap.readers.otlp_file import Span, SpanKind, Target, Traces, parse, suits
from standfast.depmap.statements import Is, Reading

NAME: Final = "otlp"

__all__ = ["NAME", "parse", "suits", "tell"]


def tell(files: Sequence[Traces]) -> Reading:
    """Return what all of `files` tell together: a span and its parent may be in two of them."""
    gathered = Gathered(NAME)
    calls = _Calls(files)
    for file in files:
        for service in dict.fromkeys(span.service for span in file.spans):
            gathered.say(Is(service, Kind.SERVICE), file.file)
        for text, line in file.remarks:
            gathered.remark(text, file.file, line)
        if orphans := calls.orphans[file.file]:
            said = f"calls from spans that are in none of these files, so that who called is not known: {orphans}"
            gathered.remark(said, file.file)
    for (file_name, node, need), number in calls.seen.items():
        for part in need.parts:
            if part.startswith(("queue:", "db:", "aws:")):
                gathered.say(Is(part, Kind.RESOURCE), file_name)
        gathered.needs(node, need, f"{file_name}, {number} call{'s' if number > 1 else ''}")
    return gathered.reading()


class _Calls:
    """Counts how often each need was seen, in which file; and in each the calls that came from nowhere."""

    def __init__(self, files: Sequence[Traces]) -> None:
        self.seen: Counter[tuple[str, str, Need]] = Counter()
        self.orphans: Counter[str] = Counter()
        self._spans = {span.key: (file.file, span) for file in files for span in file.spans}
        self._answered: set[str] = set()  # spans of whose call the other side was seen
        for file in files:
            for span in file.spans:
                self._from_callers(span, file.file)
        for file in files:
            for span in file.spans:
                if span.target is not None:
                    self._to_target(span, span.target, file.file)

    def _from_callers(self, span: Span, file: str) -> None:
        if span.parent in self._spans:
            caller_file, caller = self._spans[span.parent]
            is_message = span.kind is SpanKind.CONSUMER or caller.kind is SpanKind.PRODUCER
            if caller.service != span.service:
                self._see(caller_file, caller.service, span.service, soft=is_message)
                self._answered.add(caller.key)
        elif span.parent and span.kind is SpanKind.SERVER:
            self.orphans[file] += 1
        for link in span.links:
            if span.kind is SpanKind.CONSUMER and link in self._spans:
                sender_file, sender = self._spans[link]
                self._see(sender_file, sender.service, span.service, soft=True)

    def _to_target(self, span: Span, target: Target, file: str) -> None:
        if "/" in target.queue:
            self._see(file, span.service, target.queue)
            if target.host:
                self.seen[file, target.queue, all_of(target.host, role="broker")] += 1
        elif span.kind is not SpanKind.CONSUMER or target.queue:
            is_name = "." in target.host and "/" not in target.host and not target.host[-1].isdigit()
            nearest = target.service or target.host or target.resource or target.queue
            if span.key not in self._answered:
                self._see(file, span.service, nearest)
            if is_name and (nearest != target.host or span.key in self._answered):
                self._see(file, span.service, target.host)

    def _see(self, file: str, caller: str, called: str, *, soft: bool = False) -> None:
        if called and called != caller:
            self.seen[file, caller, all_of(called, soft=soft)] += 1
