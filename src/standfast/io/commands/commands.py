"""What the running guard does for the command line: checks a request, asks the core, sees that it is on the disk."""

import asyncio
import difflib
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from standfast.dns.model import Name, Question, RRType, type_from_name
from standfast.dns.name import BadName, parse_name
from standfast.guard import operators
from standfast.guard.events import JsonValue
from standfast.guard.operators import JsonObject, Operated
from standfast.guard.resolver import Resolver
from standfast.io.clock import SteadyClock
from standfast.io.commands.client import ControlError
from standfast.io.commands.server import Method
from standfast.io.guard_service import GuardService
from standfast.io.state.ledger_file import LedgerFile
from standfast.io.state.store import Store

NAMES_MAX = 10_000  # names in one answer; listing them keeps the resolver waiting, for some 50 ms at this bound
OBSERVED_MAX = 2_000  # answers at once, for the map; it asks for more as long as there are, and others come between
SAVE_TIMEOUT_S = 2.0  # how long a command waits for the disk before it says that it is not there yet


class _Params(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class NamesParams(_Params):
    """Which names: all, or those that are held."""

    held: bool = False
    limit: Annotated[int, Field(ge=1, le=NAMES_MAX)] = 1_000


class ObservedParams(_Params):
    """The answers to clients, or those of name servers; after the first `skip`."""

    name_servers: bool = False
    skip: Annotated[int, Field(ge=0)] = 0


class QuestionParams(_Params):
    """A name, and a type; without one, every type that is remembered."""

    name: str
    type: str | None = None
    dry_run: bool = False


class SwitchParams(_Params):
    """Whether the guard is to be on."""

    enabled: bool


P = TypeVar("P", bound=_Params)
_ByName = Callable[[Resolver, float, Name, int | None], Operated]


class Commands:
    """The methods of the control socket."""

    def __init__(
        self,
        resolver: Resolver,
        service: GuardService,
        *,
        clock: SteadyClock,
        store: Store,
        ledger: LedgerFile,
        ledger_path: Path,
        about: Mapping[str, JsonValue],
    ) -> None:
        """`about` is what `status` tells of the process itself."""
        self._resolver = resolver
        self._service = service
        self._clock = clock
        self._store = store
        self._ledger = ledger
        self._ledger_path = ledger_path
        self._about = about

    def methods(self) -> dict[str, Method]:
        """Return every method by its name."""
        return {
            "status": self.status,
            "names": self.names,
            "explain": self.explain,
            "observed": self.observed,
            "hold": self.hold,
            "release": self.release,
            "switch": self.switch,
        }

    async def status(self, params: Mapping[str, JsonValue]) -> JsonValue:
        """Return how the guard does, and its store and ledger."""
        _read(_Params, params)
        return {
            **operators.status(self._resolver, self._clock.now()),
            **self._about,
            "pid": os.getpid(),
            "listen": [str(server) for server in self._service.bound],
            "turned_away": {"outside": self._service.outside, "limited": self._service.limited},
            "workers": {
                "number": 1 + self._service.workers.number,
                "lost": self._service.workers.lost,
                "others": [{"pid": pid, "hits": hits} for pid, hits in self._service.workers.serving.items()],
            },
            "store": self._store.status(),
            "ledger": {
                "file": str(self._ledger_path),
                "records": self._ledger.durable.seq,
                "failure": self._ledger.refusal,
            },
        }

    async def names(self, params: Mapping[str, JsonValue]) -> JsonValue:
        """Return what is known of each question, and how many there are in all."""
        wanted = _read(NamesParams, params)
        found = operators.names(self._resolver, held=wanted.held, limit=wanted.limit)
        total = len(self._resolver.losses.questions()) if wanted.held else len(self._resolver.memory)
        return {"names": list[JsonValue](found), "total": total}

    async def observed(self, params: Mapping[str, JsonValue]) -> JsonValue:
        """Return some of what was resolved, packed and in base64, and with the first of it what is denied now."""
        wanted = _read(ObservedParams, params)
        memory = self._resolver.survey.memory if wanted.name_servers else self._resolver.memory
        rows: list[JsonValue] = [
            [b64encode(key).decode(), b64encode(packed).decode()]
            for key, packed in memory.newest(wanted.skip, OBSERVED_MAX)
        ]
        return {"rows": rows, "lost": {} if wanted.skip else operators.losses(self._resolver)}

    async def explain(self, params: Mapping[str, JsonValue]) -> JsonValue:
        """Return all that is known of one question."""
        qname, qtype, _ = _question(params)
        return operators.explain(self._resolver, self._clock.now(), Question(qname, qtype or RRType.A))

    async def hold(self, params: Mapping[str, JsonValue]) -> JsonValue:
        """Keep the known-good answers of a name."""
        return await self._by_name(operators.hold, params)

    async def release(self, params: Mapping[str, JsonValue]) -> JsonValue:
        """Give the known-good answers of a name up."""
        return await self._by_name(operators.release, params)

    async def switch(self, params: Mapping[str, JsonValue]) -> JsonValue:
        """Turn the guard on or off."""
        enabled = _read(SwitchParams, params).enabled
        return await self._saved(
            self._service.operate(lambda now: operators.switch(self._resolver, now, enabled=enabled))
        )

    async def _by_name(self, command: _ByName, params: Mapping[str, JsonValue]) -> JsonValue:
        qname, qtype, dry_run = _question(params)
        if dry_run:
            return {"questions": list(map(str, operators.remembered(self._resolver, qname, qtype)))}
        return await self._saved(self._service.operate(lambda now: command(self._resolver, now, qname, qtype)))

    async def _saved(self, answer: JsonObject) -> JsonObject:
        """A command that was answered must hold after a crash; whether it will is told as `saved`."""
        return {**answer, "saved": await asyncio.to_thread(self._store.flush, SAVE_TIMEOUT_S)}


def _question(params: Mapping[str, JsonValue]) -> tuple[Name, int | None, bool]:
    given = _read(QuestionParams, params)
    try:
        qname = parse_name(given.name)
    except BadName as error:
        raise ControlError("bad_params", str(error)) from error
    return qname, None if given.type is None else _type_number(given.type), given.dry_run


def _type_number(text: str) -> int:
    """Return the number of the record type `text`, a mnemonic or `TYPE123` (RFC 3597 section 5)."""
    rtype = type_from_name(text)
    if rtype is not None:
        return rtype
    word = text.upper()
    close = difflib.get_close_matches(word, RRType.__members__, n=1)
    hint = f"did you mean {close[0]}?" if close else "write it like A, AAAA or TYPE257"
    raise ControlError("bad_params", f'"{text}" is not a record type - {hint}')


def _read(form: type[P], params: Mapping[str, JsonValue]) -> P:
    try:
        return form.model_validate(params)
    except ValidationError as error:
        words = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_url=False))
        raise ControlError("bad_params", f"these parameters cannot be used: {words}") from error
