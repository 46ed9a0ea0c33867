"""`standfast`: all verbs, in the order in which one meets them. Each is a module of its own, imported when it is used.

That keeps `standfast --help` quick: it loads no resolver.
"""

import gc
import sys
from io import TextIOWrapper
from typing import Any, Final

import click

from standfast.cli.exits import exit_code_of
from standfast.cli.stdout import guarded
from standfast.cli.verbs import Verb, Verbs
from standfast.errors import StandfastError

# Objects: to load a verb makes about as many, and Python's own 700 have them looked through 180 times. Who answers
# clients goes back to those (`io.daemon`).
COLLECT_AFTER: Final = 50_000

VERBS = (
    Verb("up", "Run the guard, or an authority, in the foreground."),
    Verb("check", "Check a configuration; all findings at once."),
    Verb("status", "Show how the running guard does."),
    Verb("names", "List the names that the guard knows to be good."),
    Verb("explain", "Explain one name: what is known, every verdict, what is answered."),
    Verb("hold", "Keep a name alive by hand."),
    Verb("release", "Give a name up by hand."),
    Verb("guard", "Turn the guard off or on, at once."),
    Verb("drill", "Rehearse an outage."),
    Verb("prove", "Prove the control plane: explore small worlds whole, and simulate large ones."),
    Verb("zone", "Check, show, compare and sign zone files, and see to the keys of signed zones."),
    Verb("map", "What a service hangs on, and how likely it fails."),
    Verb("planner", "Make plans on this machine, from the intent and from what vantages see."),
    Verb("enactor", "Publish plans from this machine, at the publishers of every zone."),
    Verb("vantage", "Look at the endpoints of all pools from this machine."),
    Verb("verify", "Compare what is published, and what servers answer, with the newest plan."),
    Verb("restore", "Bring names back to what they were."),
    Verb("ledger", "Show or verify the record of every verdict, and of every plan."),
    Verb("plan", "Show what the planner would do now, approve a plan, or set a rule aside."),
    Verb("completion", "Print the completion script for a shell."),
)


class Standfast(Verbs):
    """The group of all verbs."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours ends it with its text, which says what, where and what next."""
        try:
            return super().invoke(ctx)
        except StandfastError as error:
            click.echo(f"standfast: {error}", err=True)
            ctx.exit(exit_code_of(error))


@click.group(
    cls=Standfast,
    package="standfast.cli",
    verbs=VERBS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="standfast", message="%(prog)s %(version)s")
def cli() -> None:
    """Keep the names alive that your services hang on.

    Standfast is a DNS resolver that judges by evidence whether a name that vanished is a mistake, an attack, a
    failure or a true removal, and keeps its last-known-good answer for as long as that can be proven good.

    \b
    Try it:
      standfast up                                start it, listening on 127.0.0.1:5300
      dig @127.0.0.1 -p 5300 www.example.org      ask it
      standfast explain www.example.org           see what it knows

    Exit codes: 0 done; 1 done, with a negative result; 2 wrong usage or configuration; 3 no running guard can be
    reached; 4 an address, a file or the state directory cannot be used.
    """


def main() -> None:
    """Run the command line."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = guarded(sys.stdout)
    gc.set_threshold(COLLECT_AFTER)
    cli(prog_name="standfast")


if __name__ == "__main__":
    main()
