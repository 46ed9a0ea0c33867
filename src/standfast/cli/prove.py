"""`standfast prove`: every interleaving of small worlds of the control plane, by the product's own functions."""

from collections.abc import Sequence

import click

from standfast.cli.common import count, json_option, print_json
from standfast.cli.exits import NEGATIVE
from standfast.cli.tables import print_facts, print_table
from standfast.sim.control.fleet import SIMULATIONS, SIMULATIONS_MAX, Simulated, retell, simulate_all
from standfast.sim.control.invariants import INVARIANTS
from standfast.sim.control.proof import Proof, Proven
from standfast.sim.control.proof import prove as prove_all


@click.command()
@click.option("--quick", is_flag=True, help="Leave out what takes more than a few seconds.")
@click.option(
    "--simulations",
    type=click.IntRange(0, SIMULATIONS_MAX),
    default=SIMULATIONS,
    show_default=True,
    help="How many large worlds are simulated beside it.",
)
@click.option("--seed", default="1", show_default=True, help="Which; the same seed gives the same worlds anywhere.")
@click.option("--world", help="Tell how this one simulated world ends, by its name.")
@json_option
@click.pass_context
def prove(ctx: click.Context, quick: bool, simulations: int, seed: str, world: str | None, as_json: bool) -> None:
    """Prove the control plane: explore small worlds whole, and simulate large ones.

    The functions that decide in them are those that publish. Exit code 1 if a promise is broken or a deliberate bug
    is not caught.

    \b
    Examples:
      standfast prove
      standfast prove --quick --simulations 0
      standfast prove --json | jq .invariants
    """
    if world is not None:
        click.echo("\n".join(retell(world)))
        return
    proof = prove_all(quick=quick, on_progress=_tell)
    simulated = simulate_all(simulations, seed, on_progress=_tell)
    broken = [each for each in simulated if each.broken]
    if as_json:
        print_json(
            proof.to_json()
            | {"simulations": len(simulated), "broken_simulations": [_broken_json(each) for each in broken]}
        )
    else:
        _show(proof, simulated)
    if broken or not proof.holds:
        ctx.exit(NEGATIVE)


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _broken_json(simulated: Simulated) -> dict[str, object]:
    return {"seed": simulated.seed, "broken": list(simulated.broken)}


def _show(proof: Proof, simulated: Sequence[Simulated]) -> None:
    rows = [
        (
            each.configuration.name,
            f"{each.explored.states:,}{'' if each.explored.exhaustive else ', not all'}",
            f"{each.seconds:.1f}",
            _kept(each),
            each.configuration.what,
        )
        for each in proof.proven
    ]
    print_table(("CONFIGURATION", "STATES", "SECONDS", "KEEPS", "WHAT IT IS"), rows)
    click.echo()
    invariants = proof.invariants.items()
    print_facts([("kept" if kept else "BROKEN", f"{name}: {INVARIANTS[name]}") for name, kept in invariants])
    for proven in proof.proven:
        for name, trace in proven.broken.items():
            _show_trace(f"{proven.configuration.name} breaks {name}:", trace)
        for name in proven.kept:
            click.echo(f"\n{proven.configuration.name} keeps {name}, which it is said not to")
    for caught in proof.caught:
        sabotage = caught.sabotage
        told = f"caught by {sabotage.catches}:" if caught.trace else f"NOT CAUGHT by {sabotage.catches}"
        _show_trace(f"sabotage {sabotage.name} ({sabotage.what}) is {told}", caught.trace)
    click.echo()
    for each in simulated:
        for text in each.broken:
            click.echo(f"world {each.seed}: {text}\n  standfast prove --world {each.seed}")
    broken = sum(bool(each.broken) for each in simulated)
    days = sum(each.days for each in simulated)
    click.echo(f"{count(len(simulated), 'large world')}, {days:.0f} days of their time; {broken} broke a promise")
    whole = "all that can be reached" if proof.exhaustive else "NOT all that can be reached"
    click.echo(f"{proof.states:,} states, {whole}, in {proof.seconds:.0f} s; {'it holds' if proof.holds else 'BROKEN'}")


def _kept(proven: Proven) -> str:
    if proven.broken:
        return f"BROKEN: {', '.join(proven.broken)}"
    exceptions = ", ".join(proven.configuration.exceptions)
    return f"all but {exceptions}" if exceptions else "all"


def _show_trace(title: str, trace: Sequence[str]) -> None:
    click.echo(f"\n{title}")
    for number, line in enumerate(trace, 1):
        click.echo(f"  {number:2}  {line}")
