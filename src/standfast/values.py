"""Data that nobody changes: the type checker sees to it, and the running program does not pay for it.

A frozen dataclass guards each field while it is made, which takes three times as long as making it. Of the values
that every query makes a dozen of, that was a quarter of all the guard's own work. All others are plain frozen
dataclasses.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """Make `cls` a dataclass with slots, by keyword, compared and hashed by its fields, frozen to the type checker."""
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
