"""The race on loopback: two real name servers, both designs at work on them, real clients, and guards before some.

Each design has a Standfast authority of its own that takes RFC 2136 updates, so that nothing but the design differs.
Of each pair of clients one asks that server, the other a guard (`standfast up`) that forwards to it; all of them look
the name up and shake hands with a server that must prove to be it. The servers behind the name are well all the time.
"""

import asyncio
import base64
import random
import secrets
import socket
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from standfast.control.publishing import Publisher
from standfast.dns.servers import Server
from standfast.dns.tsig import TsigKey
from standfast.drills.account import Account, Contestant, Lane, SpanRecorder, State, Suffered, clock
from standfast.drills.errors import DrillError
from standfast.drills.live.authority import ThrowawayAuthority
from standfast.drills.live.front import Front, Site
from standfast.drills.live.guard import Guard, GuardedName, GuardSettings
from standfast.drills.live.loopback import Endpoint, free_endpoint
from standfast.drills.live.parts import first_error
from standfast.drills.live.process import Child
from standfast.drills.live.screen import Frame, Row, Screen
from standfast.drills.live.stub import TYPE_A, StubResolver
from standfast.drills.race import telling
from standfast.drills.race.original import Original
from standfast.drills.race.ours import PUBLISHER, Ours
from standfast.drills.race.quiet import quiet
from standfast.drills.race.story import (
    ENDS_AT_S,
    NAME,
    ORIGINAL,
    OURS,
    PLACES,
    ZONE,
    Incident,
    Told,
    address_of,
)
from standfast.drills.race.wire import Wire
from standfast.guard.policy import PolicyTable
from standfast.io.authority.primaries import Primary
from standfast.io.control.journal import ControlJournal
from standfast.io.control.publishers.rfc2136 import Rfc2136Publisher
from standfast.io.control.stores.sqlite import SqlitePlanStore
from standfast.sim.scoring import Marks, Score, Tally

SCALE: Final = 10.0  # the 3 min 30 s of the story in 21 s
CALL_EVERY_S: Final = 0.2  # real, of each client
HANDSHAKE_S: Final = 8.0  # generous, so that a machine that is busy is not taken for an outage
START_S: Final = 20.0
WARM_UP_S: Final = 30.0
WARM_UP_CALLS: Final = 4
TICK_S: Final = 0.25
HOST: Final = NAME.removesuffix(".")
KEY_NAME: Final = "race.example."
ERRORS_MAX: Final = 8  # texts told apart


@dataclass(slots=True, kw_only=True)
class Client:
    """Those who reach the service in one way: what became of their calls."""

    design: str
    guarded: bool
    resolver: Endpoint
    tally: Tally = field(default_factory=Tally)
    spans: SpanRecorder = field(default_factory=SpanRecorder)
    errors: Counter[str] = field(default_factory=Counter)
    good_in_a_row: int = 0
    error: str | None = None

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.design} +guard" if self.guarded else self.design


async def run_race(*, scale: float = SCALE, console: Console | None = None) -> Account:
    """Play the race on loopback and return what came of it.

    Raises:
        DrillError: it does not get ready.
        PartFailed: a part of it did not start.
    """
    began_s = time.monotonic()
    screen = Screen(console or Console(quiet=True), telling.TITLE)
    with quiet(), tempfile.TemporaryDirectory(prefix="standfast-", ignore_cleanup_errors=True) as folder:
        async with _stage(Path(folder), scale, screen) as race:
            with screen:
                await race.play()
            return race.account(took_s=time.monotonic() - began_s)


@asynccontextmanager
async def _stage(folder: Path, scale: float, screen: Screen) -> AsyncIterator["_Race"]:
    """Have all parts running; they end when the context does."""
    async with AsyncExitStack() as stack:
        screen.say("starting two name servers, the service behind its name, and two guards")
        trust = ThrowawayAuthority.create(folder / "ca")
        site = Site(certificate=trust.issue([HOST]), backend=None)
        addresses = [address_of(place) for place in range(1, PLACES + 1)]
        front = await stack.enter_async_context(await Front.start(addresses=addresses, sites={HOST: site}))
        key = TsigKey(name=KEY_NAME, algorithm="hmac-sha256", secret=secrets.token_bytes(32))
        servers = {design: free_endpoint() for design in telling.DESIGN_NAMES}
        for design, endpoint in servers.items():
            await stack.enter_async_context(await _name_server(folder / design, endpoint, key))
        race = _Race(scale, screen, trust.ca_file, front.port)
        store = await stack.enter_async_context(SqlitePlanStore(folder / "plans").opened())
        journal = stack.enter_context(ControlJournal.open(folder / "plans"))
        primaries = {design: Primary(server=Server(at.address, at.port), key=key) for design, at in servers.items()}
        publisher: Publisher = Rfc2136Publisher(PUBLISHER, primaries[OURS], rng=random.SystemRandom(), wall=time.time)
        seed = "live"
        tell = race.teller(ORIGINAL)
        race.original = Original(Wire(primaries[ORIGINAL]), Incident(tell=tell), scale=scale, seed=seed, tell=tell)
        tell = race.teller(OURS)
        race.ours = Ours(publisher, store, journal, Incident(tell=tell), scale=scale, seed=seed, tell=tell)
        await race.begin()
        for design, endpoint in servers.items():
            settings = GuardSettings(
                listen=free_endpoint(),
                upstreams=(endpoint,),
                second_opinions=(),
                ca_file=trust.ca_file,
                policies=PolicyTable(),
                scale=scale,
                names=(GuardedName(name=NAME, port=front.port, known_for_s=86_400.0),),
            )
            guard = await Guard.start(settings, folder=folder / f"guard-{design}")
            await stack.enter_async_context(guard)
            race.add(design, endpoint, guard)
        yield race


async def _name_server(folder: Path, endpoint: Endpoint, key: TsigKey) -> Child:
    """Start a Standfast authority for the zone, which whoever has the key may update."""
    folder.mkdir()
    zone = folder / f"{ZONE}zone"
    zone.write_text(
        f"$ORIGIN {ZONE}\n$TTL 1\n@ SOA ns hostmaster 1 3600 600 86400 1\n@ NS ns\nns A {endpoint.address}\n"
    )
    config = folder / "standfast.toml"
    config.write_text(
        f'[authority]\nlisten = ["{endpoint}"]\nzones = ["{zone.name}"]\nstate_dir = "state"\n'
        f'allow_update = ["key:{KEY_NAME}"]\nallow_transfer = ["key:{KEY_NAME}"]\n'
        f'[[authority.keys]]\nname = "{KEY_NAME}"\nsecret = "{base64.b64encode(key.secret).decode()}"\n'
    )
    argv: list[str | Path] = [sys.executable, "-m", "standfast.cli.main", "up", "--config", config]
    child = await Child.start("authority", argv, folder=folder)

    async def serves() -> bool:
        try:
            _, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
        except OSError:
            return False
        writer.close()
        return True

    try:
        await child.until(serves, timeout_s=START_S)
    except BaseException:
        await child.stop()
        raise
    return child


class _Race:
    """One race whose parts are there."""

    original: Original
    ours: Ours

    def __init__(self, scale: float, screen: Screen, ca_file: Path, port: int) -> None:
        self._scale = scale
        self._screen = screen
        self._trust = ssl.create_default_context(cafile=str(ca_file))
        self._port = port
        self._clients: list[Client] = []
        self._guards: dict[str, Guard] = {}
        self._told: list[Told] = []
        self._zero_s: float | None = None  # when the story began, on the loop's clock
        self._event = "warming up: all is well"

    def add(self, design: str, server: Endpoint, guard: Guard) -> None:
        """Have clients of a design: some that ask its server, and some behind a guard."""
        self._guards[design] = guard
        self._clients.append(Client(design=design, guarded=False, resolver=server))
        self._clients.append(Client(design=design, guarded=True, resolver=guard.endpoint))

    def teller(self, design: str) -> Callable[[int, str], None]:
        """Return what a design tells its steps to."""
        return partial(self.told, design)

    def told(self, design: str, step: int, text: str) -> None:
        """Take in what happened."""
        told = Told(at_s=self.now(), design=design, step=step, text=text)
        self._told.append(told)
        self._event = f"{telling.DESIGN_NAMES[design]}: {text}"
        self._screen.happened(clock(telling.STARTS_AT, told.at_s), self._event)

    def now(self) -> float:
        """Return where the story is, in its seconds; 0 before it."""
        if self._zero_s is None:
            return 0.0
        return (asyncio.get_running_loop().time() - self._zero_s) * self._scale

    async def begin(self) -> None:
        """Have plan 1 stand at both."""
        self._screen.say("publishing the first plan by both designs")
        try:
            async with asyncio.timeout(START_S), asyncio.TaskGroup() as group:
                group.create_task(self.original.begin())
                group.create_task(self.ours.begin())
        except TimeoutError:
            raise DrillError(telling.NAME, f"the first plan was not published within {START_S:g} s") from None
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None

    async def play(self) -> None:
        """Warm up, and let it happen."""
        beside = [asyncio.create_task(self._calls(client)) for client in self._clients]
        beside.append(asyncio.create_task(self._show()))
        try:
            await self._warm_up()
            self._zero_s = asyncio.get_running_loop().time()
            designs = [asyncio.create_task(each.run()) for each in (self.original, self.ours)]
            beside += designs
            done, _ = await asyncio.wait(designs, timeout=ENDS_AT_S / self._scale, return_when=asyncio.FIRST_EXCEPTION)
            for each in done:
                each.result()  # they never end by themselves but by an error
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _warm_up(self) -> None:
        try:
            async with asyncio.timeout(WARM_UP_S):
                while not (
                    all(client.good_in_a_row >= WARM_UP_CALLS for client in self._clients)
                    and all([await guard.knows([NAME]) for guard in self._guards.values()])
                ):
                    await asyncio.sleep(TICK_S)
        except TimeoutError:
            failing = "; ".join(f"{client.title}: {client.error}" for client in self._clients if client.error)
            reason = failing or "a guard does not know the name and who serves it"
            raise DrillError(telling.NAME, f"not all was well after {WARM_UP_S:g} s of warm-up: {reason}") from None

    # Clients ------------------------------------------------------------------------------------------------

    async def _calls(self, client: Client) -> None:
        stub = StubResolver(server=client.resolver)
        while True:
            at_s, begun = self.now(), self._zero_s is not None
            error = await self._call(stub)
            client.error = error
            client.good_in_a_row = 0 if error else client.good_in_a_row + 1
            if begun and at_s < ENDS_AT_S:
                marks = Marks(outage=error is not None)
                client.tally.answered(client.tally.asked(at_s), marks, self.now())
                client.spans.see(at_s, State.OUTAGE if error else State.WELL)
                if error:
                    client.errors[error if error in client.errors or len(client.errors) < ERRORS_MAX else "others"] += 1
            await asyncio.sleep(CALL_EVERY_S)

    async def _call(self, stub: StubResolver) -> str | None:
        """Reach the service as a client does; return why that failed."""
        try:
            address, *_ = await asyncio.to_thread(stub.addresses, HOST, (TYPE_A,))
        except socket.gaierror as error:
            return str(error.strerror)
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                _, writer = await asyncio.open_connection(address, self._port, ssl=self._trust, server_hostname=HOST)
        except OSError as error:
            return f"{address}: {error}"
        writer.transport.abort()
        return None

    # What came of it ----------------------------------------------------------------------------------------

    async def _show(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            if self._zero_s is not None:
                self._screen.show(self._frame())

    def _frame(self) -> Frame:
        now = self.now()
        return Frame(
            clock=f"{clock(telling.STARTS_AT, now)} PDT",
            share=min(1.0, now / ENDS_AT_S),
            event=self._event,
            rows=tuple(self._row(client, now) for client in self._clients),
            absent=(),
            verdicts=(),
            at_real_s=time.monotonic(),
        )

    def _row(self, client: Client, now: float) -> Row:
        score = client.tally.score(now)
        return Row(
            name=client.title,
            state=State.OUTAGE if client.error else State.WELL,
            error=client.error,
            calls=score.lookups,
            failed=score.bad_lookups,
            outage_s=score.outage_s,
        )

    def account(self, *, took_s: float) -> Account:
        """Return what came of it."""
        scores = {(each.design, each.guarded): each.tally.score(ENDS_AT_S) for each in self._clients}
        outages = {key: score.outage_s for key, score in scores.items()}
        return telling.account(
            mode="live",
            scale=self._scale,
            told=self._told,
            contestants=tuple(_contestant(client, scores[client.design, client.guarded]) for client in self._clients),
            grids=(telling.steps_grid(self._told), telling.outage_grid(outages)),
            versions={},
            notes=tuple(_notes(outages)),
            took_s=took_s,
            failures=tuple(_failures(outages)),
        )


def _contestant(client: Client, score: Score) -> Contestant:
    guard = "clients behind the guard" if client.guarded else "clients that ask its name server"
    lane = Lane(title=HOST, spans=client.spans.spans(ENDS_AT_S))
    suffered = Suffered(lane=lane, score=score, errors=dict(client.errors))
    return Contestant(name=client.title, what=f"{telling.DESIGN_NAMES[client.design]}, {guard}", suffered=(suffered,))


def _notes(outages: Mapping[tuple[str, bool], float]) -> Sequence[str]:
    notes = [
        "Live: each design publishes at a Standfast authority of its own by RFC 2136; the original design is ours after"
        " its operator's account, and labelled as what it is.",
    ]
    if not outages[ORIGINAL, False]:
        notes.append("Unexpected: the original design did not empty the name.")
    return notes


def _failures(outages: Mapping[tuple[str, bool], float]) -> Sequence[str]:
    found = []
    if outages[OURS, False]:
        found.append(f"clients of Standfast's control plane were out for {outages[OURS, False]:.0f} s")
    found += [
        f"clients behind the guard were out for {outages[design, True]:.0f} s, with {name}"
        for design, name in telling.DESIGN_NAMES.items()
        if outages[design, True]
    ]
    return found
