"""Groups of verbs, each verb a module of its own that is imported when it is used: that keeps `--help` quick."""

import difflib
import keyword
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click


class Verb(NamedTuple):
    """A command: its name, which is also that of its module and of the command in it, and its help in one line.

    Where it is a word of Python's own, as `import` is, that name has an underscore at its end.
    """

    name: str
    help: str


class Verbs(click.Group):
    """The group of `verbs`, the modules of which are in the package `package`."""

    def __init__(self, *args: Any, package: str, verbs: Sequence[Verb], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature, here and below
        """Return the verbs in their order."""
        return [verb.name for verb in self._verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, None where there is none of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        word = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = getattr(import_module(f"{self._package}.{word}"), word)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` begin with; a typo gets a suggestion."""
        names = self.list_commands(ctx)
        close = difflib.get_close_matches(args[0], names, n=1)
        if close and args[0] not in names:
            ctx.fail(f'no command "{args[0]}" - did you mean "{close[0]}"?')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(self._verbs)
