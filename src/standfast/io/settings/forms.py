"""Data held against a form: what is good of it, and what is wrong with the rest, in words. Knows no file, no line."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from standfast.io.settings.config_types import Table
from standfast.io.settings.toml_lines import Where

PASSES_MAX: Final = 8  # each takes away what lacks something since the one before: no form has so many in each other
SECRETS: Final = frozenset({"secret"})  # keys whose values are in no message

_T = TypeVar("_T", bound=Table)

_MUST_BE: Final = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a text in quotes",
    "model_type": "a table",
    "dict_type": "a table",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form(Generic[_T]):
    """The form of a file: the model of all of it, and that of every table in it by its path.

    `titles` are what tables are called that are not called like `[table]`. `named` are tables whose keys are the user's
    own names, which stand as `*` in paths: `pools.*.check`. `bracketed`: a list of tables is written `[[so]]`.
    """

    root: type[_T]
    tables: Mapping[str, type[Table]]
    titles: Mapping[str, str] = field(default_factory=dict)
    named: frozenset[str] = frozenset()
    bracketed: bool = False

    def every_key(self) -> Iterator[tuple[str, str]]:
        """Yield every key as its table and its name."""
        for table, model in self.tables.items():
            yield from ((table, key) for key in model.model_fields)

    def place(self, where: Where) -> tuple[str, str]:
        """Part `where` into its table and the key in it, both without numbers."""
        words: list[str] = []
        for word in where:
            if isinstance(word, str):
                words.append("*" if ".".join(words) in self.named else word)
        last = next((word for word in reversed(where) if isinstance(word, str)), "")
        for size in range(len(words) - 1, 0, -1):
            if ".".join(words[:size]) in self.tables:
                return ".".join(words[:size]), ".".join([*words[size:-1], last])
        return "", ".".join([*words[:-1], last])

    def title(self, table: str) -> str:
        """Return what `table` is called."""
        return self.titles.get(table, f"[{table}]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held(Generic[_T]):
    """What of data is of its form; where its parts stood before the others were left out; and what those had wrong."""

    content: _T
    faults: tuple[tuple[Where, str], ...] = ()
    left: Mapping[Where, list[int]] = field(default_factory=dict)  # of a list that lost some: those that stayed

    def before(self, where: Where) -> Where:
        """Return where in the data the part of the content stood that is now at `where`."""
        return _before(where, self.left)


def hold(data: Mapping[str, Any], form: Form[_T]) -> Held[_T]:
    """Hold `data` against `form`, whose root needs no key."""
    rest: Any = data
    faults: tuple[tuple[Where, str], ...] = ()
    left: dict[Where, list[int]] = {}
    for _ in range(PASSES_MAX):
        try:
            return Held(content=form.root.model_validate(rest), faults=faults, left=left)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        # What lacks something now that all of it was bad goes as well, and is no fault of its own
        faults = faults or tuple((each["loc"], _in_words(each, form)) for each in errors)
        gone: dict[Where, list[int]] = {}
        rest = _without(rest, _tree(_culprit(each, form) for each in errors), (), gone)
        left |= {
            _before(where, left): _before_all(stayed, _before(where, left), left) for where, stayed in gone.items()
        }
    return Held(content=form.root(), faults=faults, left=left)


def _before(where: Where, left: Mapping[Where, list[int]]) -> Where:
    found: Where = ()
    for part in where:
        stayed = left.get(found)
        found = (*found, stayed[part] if stayed is not None and isinstance(part, int) else part)
    return found


def _before_all(stayed: list[int], where: Where, left: Mapping[Where, list[int]]) -> list[int]:
    return [left[where][at] for at in stayed] if where in left else stayed


def meant(text: str, known: Iterable[str]) -> str:
    """Return a question for what was perhaps meant by `text`, to be put behind a finding; nothing where nothing was."""
    close = difflib.get_close_matches(text, list(known), n=1)
    return f' - did you mean "{close[0]}"?' if close else ""


def _culprit(error: ErrorDetails, form: Form[_T]) -> Where:
    """Return what must be left out for the rest to be good: a table without a good key that it needs goes whole."""
    where = error["loc"]
    table, key = form.place(where)
    known = form.tables[table].model_fields.get(key)
    return where[:-1] if known is not None and known.is_required() and where[-1] == key else where


_Bad = dict[str | int, "_Bad"]  # what is to go, by the parts of its place; nothing below: it goes whole


def _tree(places: Iterable[Where]) -> _Bad:
    tree: _Bad = {}
    for where in places:
        node = tree
        for part in where:
            if part in node and not node[part]:
                break  # it goes whole already
            node = node.setdefault(part, {})
        else:
            node.clear()
    return tree


def _without(value: Any, bad: _Bad, here: Where, left: dict[Where, list[int]]) -> Any:
    """Return `value` less its `bad` parts; `left` gets what is left of each list that lost some."""
    if isinstance(value, dict):
        rest = {}
        for key, part in value.items():
            if key not in bad:
                rest[key] = part
            elif bad[key] and (kept := _without(part, bad[key], (*here, key), left)) != []:
                rest[key] = kept
        return rest
    if isinstance(value, list):
        stayed = [at for at in range(len(value)) if at not in bad or bad[at]]
        left[here] = stayed
        return [_without(value[at], bad[at], (*here, at), left) if at in bad else value[at] for at in stayed]
    return value


def _in_words(error: ErrorDetails, form: Form[_T]) -> str:
    where, found = error["loc"], error["input"]
    table, key = form.place(where)
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _about_unknown(where, form)
        case "missing":
            return f'{form.title(table)} lacks "{key}"'
        case "value_error":
            return f"{key}: {context['error']}"
        case "enum":
            return _about_choice(key, found, context["expected"])
        case "list_type" if isinstance(found, dict) and form.bracketed:
            return f"{key} must be written with two brackets: [[{table}.{key}]]"
        case "list_type":
            hint = f", like [{json.dumps(found)}]" if isinstance(found, str) else ""
            return f"{key} must be a list in brackets{hint}"
        case "too_short":
            return f"{key} is empty - name at least one, or leave the key out"
        case kind if kind in _MUST_BE:
            shown = "what it is" if key in SECRETS else _shown(found)
            return f"{key} must be {_MUST_BE[kind].format(**context)}, not {shown}"
        case _:
            return f"{key}: {error['msg']}"


def _about_unknown(where: Where, form: Form[_T]) -> str:
    table, key = form.place(where)
    known = list(form.tables[table].model_fields)
    what = f'unknown key "{key}" in {form.title(table)}'
    homes = [home for home, name in form.every_key() if name == key]
    if homes:
        return f"{what} - it belongs in {form.title(homes[0])}"
    return what + (meant(key, known) or f" - the keys there are {', '.join(known)}")


def _about_choice(key: str, found: object, expected: str) -> str:
    choices = expected.replace("'", '"')
    hint = meant(str(found), re.findall(r'"([\w-]+)"', choices))
    return f"{key} must be {choices}, not {_shown(found)}{hint}"


def _shown(value: object) -> str:
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case str() | bool() | int() | float():
            return json.dumps(value)
        case _:
            return str(value)
