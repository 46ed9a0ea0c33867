"""Arguments that are names, record types and zone files, as click reads them."""

from pathlib import Path
from typing import Any

import click

from standfast.dns.model import Name, type_from_name
from standfast.dns.name import BadName, parse_name

FILE = click.Path(path_type=Path, dir_okay=False)


class NameType(click.ParamType[Name]):
    """A domain name."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Name:
        """Return it in the form of the house."""
        try:
            return parse_name(value)
        except BadName as error:
            self.fail(str(error), param, ctx)


class RecordType(click.ParamType[int]):
    """A record type."""

    name = "type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return its number."""
        if isinstance(value, int):
            return value
        rtype = type_from_name(value)
        return self.fail(f'"{value}" is no record type', param, ctx) if rtype is None else rtype


origin_option = click.option(
    "--origin", type=NameType(), help="What relative names end with. Else: the file's $ORIGIN, or its name."
)
