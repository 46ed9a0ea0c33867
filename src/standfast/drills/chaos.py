"""The actions and probes of a drill, for Chaos Toolkit; `at_s` is virtual time, in seconds from the drill's start.

An experiment that uses them names this module as a control too: it sets the stage before the experiment and clears it
afterwards. One experiment at a time.

    "controls": [{"name": "standfast", "provider": {"type": "python", "module": "standfast.drills.chaos"}}]
"""

from collections.abc import Mapping, Sequence
from typing import Any

from standfast.drills.errors import DrillError
from standfast.drills.scenario import Check, from_experiment, to_event
from standfast.drills.stage import Stage

_stage: Stage | None = None


def before_experiment_control(context: Mapping[str, Any], **_others: object) -> None:
    """Set the stage that the experiment's extension describes."""
    global _stage
    _stage = Stage(from_experiment(str(context.get("title")), context))


def after_experiment_control(context: Mapping[str, Any], **_others: object) -> None:
    """Clear the stage."""
    del context
    clear_the_stage()


# Actions: what is published ---------------------------------------------------------------------------------


def set_addresses(at_s: float, name: str, addresses: Sequence[str]) -> str:
    """Publish `name` with exactly `addresses`."""
    return _happen(at_s, "set_addresses", name=name, addresses=addresses)


def empty_record(at_s: float, name: str) -> str:
    """Take every address from `name`, which stays: NODATA."""
    return _happen(at_s, "empty_record", name=name)


def drop_name(at_s: float, name: str) -> str:
    """Delete `name`: NXDOMAIN."""
    return _happen(at_s, "drop_name", name=name)


def restore_record(at_s: float, name: str) -> str:
    """Publish `name` as it last was with addresses of its owner."""
    return _happen(at_s, "restore_record", name=name)


def drop_delegation(at_s: float, zone: str) -> str:
    """Let the parent no longer delegate `zone`."""
    return _happen(at_s, "drop_delegation", zone=zone)


def restore_delegation(at_s: float, zone: str) -> str:
    """Let the parent delegate `zone` again."""
    return _happen(at_s, "restore_delegation", zone=zone)


def break_signing(at_s: float, zone: str) -> str:
    """Make the signatures of `zone` invalid."""
    return _happen(at_s, "break_signing", zone=zone)


def mend_signing(at_s: float, zone: str) -> str:
    """Make the signatures of `zone` valid again."""
    return _happen(at_s, "mend_signing", zone=zone)


# Actions: what is meant, and who is there -------------------------------------------------------------------


def retire(at_s: float, name: str) -> str:
    """Let the owner mean `name` to be gone; changes nothing that can be seen."""
    return _happen(at_s, "retire", name=name)


def start_servers(at_s: float, name: str, addresses: Sequence[str], tls: bool = True) -> str:
    """Let servers of the owner serve `name` at `addresses`."""
    return _happen(at_s, "start_servers", name=name, addresses=addresses, tls=tls)


def stop_servers(at_s: float, addresses: Sequence[str]) -> str:
    """Let nobody answer at `addresses`."""
    return _happen(at_s, "stop_servers", addresses=addresses)


def revive_servers(at_s: float, addresses: Sequence[str]) -> str:
    """Let those who answered at `addresses` answer again."""
    return _happen(at_s, "revive_servers", addresses=addresses)


def give_away(at_s: float, addresses: Sequence[str], party: str = "stranger", certificate: str | None = None) -> str:
    """Give `addresses` to a stranger or an attacker, who shows a certificate for `certificate`, or has no TLS."""
    return _happen(at_s, "give_away", addresses=addresses, party=party, certificate=certificate)


# Actions: resolvers, contestants, the reader ----------------------------------------------------------------


def break_resolver(at_s: float, host: str, fault: str, addresses: Sequence[str] = ()) -> str:
    """Let the recursive resolver at `host` go wrong in the way that `fault` says (`sim.events.Fault`)."""
    return _happen(at_s, "break_resolver", host=host, fault=fault, addresses=addresses)


def mend_resolver(at_s: float, host: str) -> str:
    """Let the recursive resolver at `host` be well again."""
    return _happen(at_s, "mend_resolver", host=host)


def flush_resolver(at_s: float, host: str) -> str:
    """Flush the cache of the recursive resolver at `host`."""
    return _happen(at_s, "flush_resolver", host=host)


def restart(at_s: float) -> str:
    """Kill the machine that all contestants run on, and start it again."""
    return _happen(at_s, "restart")


def note(at_s: float, text: str) -> str:
    """Let time pass up to `at_s`; `text` is for the timeline."""
    return _happen(at_s, "note", text=text)


def clear_the_stage() -> str:
    """Forget the simulated world: a rollback."""
    global _stage
    _stage = None
    return "cleared"


# Probes -----------------------------------------------------------------------------------------------------


def guard_answers_as_meant(name: str, at_s: float | None = None) -> object:
    """Say whether the guard's answer is what the owner of `name` means: no outage, no wrong hold, no attack."""
    return _ask(at_s, "guard_answers_as_meant", name=name)


def guard_answers_with(name: str, addresses: Sequence[str], at_s: float | None = None) -> object:
    """Say whether the guard answers `name` with exactly `addresses`."""
    return _ask(at_s, "guard_answers_with", name=name, addresses=list(addresses))


def verdict_is(name: str, action: str, cause: str, at_s: float | None = None) -> object:
    """Say whether the guard's newest recorded verdict on `name` is this."""
    return _ask(at_s, "verdict_is", name=name, action=action, cause=cause)


def seconds(contestant: str, of: str, name: str | None = None, at_s: float | None = None) -> object:
    """Return `outage_s`, `wrong_hold_s`, `attack_s` or `recovery_s` of a contestant so far."""
    return _ask(at_s, "seconds", contestant=contestant, of=of, name=name)


def missed(at_s: float | None = None) -> object:
    """Return how many of the method's checks were not met so far."""
    return _ask(at_s, "missed")


def _happen(at_s: float, func: str, **arguments: object) -> str:
    _current().happen(at_s, event := to_event(func, arguments))
    return str(event)


def _ask(at_s: float | None, func: str, **arguments: object) -> object:
    check = Check(title=func, func=func, arguments=arguments, tolerance=True, at_s=at_s)
    return _current().check(check)


def _current() -> Stage:
    if _stage is None:
        raise DrillError("this experiment", 'sets no stage: it needs the control "standfast.drills.chaos"')
    return _stage
