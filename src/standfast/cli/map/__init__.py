"""`standfast map`: what hangs on what. Reads files, needs no running guard. Each verb is a module of its own."""

from typing import Final

import click

from standfast.cli.verbs import Verb, Verbs

VERBS: Final = (
    Verb("import", "Make one map of many files."),
    Verb("show", "Show what a map has in it, or what the node NAME hangs on and which losses take it down."),
    Verb("loss", "Say what the loss of NAME, a node or a shared cause, takes with it."),
    Verb("risk", "Say how probable it is that the node NAME fails, or the top event of a fault tree, and by what."),
    Verb("claim", "Say whether NAME can be available for PERCENT of the time: met, not met, or undecided."),
    Verb("concentration", "Say how many hang on one provider, region, zone, network or operator of DNS."),
    Verb("export", "Write the map, or what the nodes NAME hang on, as a page, a picture, or for other programs."),
    Verb("refresh", "Fetch the lists of address ranges that providers publish: each LIST, or all."),
)


@click.group(cls=Verbs, package="standfast.cli.map", verbs=VERBS)
def map() -> None:  # noqa: A001  the command's own word
    """What a service hangs on, and how likely it fails.

    \b
    Examples:
      standfast map import main.tfstate k8s/ map.yaml
      standfast map show shop
      standfast map loss us-east-1
      standfast map risk shop --file map.yaml
      standfast map claim shop 99.99 --file map.yaml
    """
