"""What a word in YAML 1.2 means, which stands there without quotes: texts nearly always (yaml.org/spec/1.2.2).

Of the core schema (section 10.3) these are something else: its words in small letters, and decimal numbers.
"""

import re
from collections.abc import Mapping
from typing import Final

NUMBER_DIGITS_MAX: Final = 15  # a number with more is a slip, or an attack on whoever reads it

_INTEGER: Final = re.compile(rf"[-+]?[0-9]{{1,{NUMBER_DIGITS_MAX}}}")
_FLOAT: Final = re.compile(r"[-+]?(?:[0-9]{1,15}\.[0-9]{0,15}|\.[0-9]{1,15})(?:[eE][-+]?[0-9]{1,3})?")
_NUMBER_BEGINS: Final = frozenset("+-.0123456789")
_WORDS: Final[Mapping[str, bool | None]] = {"": None, "~": None, "null": None, "true": True, "false": False}


def meaning_of(word: str) -> bool | int | float | str | None:
    """Return what a plain scalar stands for."""
    if word[:1] not in _NUMBER_BEGINS:  # as nearly all do not
        return _WORDS.get(word, word)
    if word.isdecimal() and word.isascii():  # and then nearly always
        return int(word) if len(word) <= NUMBER_DIGITS_MAX else word
    if word.count(".") > 1:  # as an address has
        return word
    if _INTEGER.fullmatch(word):
        return int(word)
    return float(word) if _FLOAT.fullmatch(word) else word
