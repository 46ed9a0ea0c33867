"""Mappings that share what they do not change: one entry of half a million put in costs a small copy, not a large one.

None is changed once it is made.
"""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar, cast, overload

LAYER_MAX: Final = 4_096  # entries above the base: copied with each change, in some 30 us; the base is once in so many
LAYER_PART: Final = 4  # of a base that is small, only so large a part is layered


K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_BELOW: Final = object()  # the layer says nothing of the key


class Edits(Generic[K, V]):
    """Changes to a mapping that stays as it is; None for what goes."""

    def __init__(self, base: Mapping[K, V]) -> None:
        self._base = base
        self._changes: dict[K, V | None] = {}

    def get(self, key: K) -> V | None:
        """Return what stands at `key` by now."""
        return self._changes[key] if key in self._changes else self._base.get(key)

    def put(self, key: K, value: V | None) -> None:
        """Have `value` stand at `key`."""
        self._changes[key] = value

    def done(self) -> Mapping[K, V]:
        """Return the mapping with all changes."""
        return changed(self._base, self._changes) if self._changes else self._base


def changed(mapping: Mapping[K, V], changes: Mapping[K, V | None]) -> Mapping[K, V]:
    """Return `mapping` with `changes` made, which nobody changes from now on; None for what goes."""
    base, layer = (mapping.base, {**mapping.layer, **changes}) if isinstance(mapping, Layered) else (mapping, changes)
    made = Layered(base, layer)
    return made if len(layer) <= min(LAYER_MAX, len(base) // LAYER_PART) else made.whole()


class Layered(Mapping[K, V]):
    """`base` with what `layer` says otherwise; None there is what is gone."""

    __slots__ = ("base", "layer")

    def __init__(self, base: Mapping[K, V], layer: Mapping[K, V | None]) -> None:
        self.base = base
        self.layer = layer

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V | D) -> V | D: ...
    def get(self, key: K, /, default: V | D | None = None) -> V | D | None:
        """Return what stands at `key`, or `default`."""
        found = self.layer.get(key, cast(V, _BELOW))
        if found is _BELOW:
            return self.base.get(key, cast(V, default))
        return default if found is None else found

    def __getitem__(self, key: K) -> V:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(cast(K, key)) is not None

    def __len__(self) -> int:
        return len(self.base) + sum((value is not None) - (key in self.base) for key, value in self.layer.items())

    def __iter__(self) -> Iterator[K]:
        base, layer = self.base, self.layer
        yield from (key for key in base if key not in layer or layer[key] is not None)
        yield from (key for key, added in layer.items() if added is not None and key not in base)

    def items(self) -> ItemsView[K, V]:
        """Return all entries. They are read one by one: a transfer of half a million takes its time, and no copy."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """Return all values, one by one too."""
        return _Values(self)

    def whole(self) -> dict[K, V]:
        """Return the same in one piece."""
        made = dict(self.base)
        made.update(cast(Mapping[K, V], self.layer))
        for key in [key for key, value in self.layer.items() if value is None]:
            del made[key]
        return made


class _Items(ItemsView[K, V]):
    """The entries of a `Layered`, in the order of its `whole`."""

    def __init__(self, mapping: Layered[K, V]) -> None:
        super().__init__(mapping)
        self._layered = mapping

    def __iter__(self) -> Iterator[tuple[K, V]]:
        base, layer = self._layered.base, self._layered.layer
        for entry in base.items():
            if entry[0] not in layer:
                yield entry
            elif (value := layer[entry[0]]) is not None:
                yield entry[0], value
        for key, added in layer.items():
            if added is not None and key not in base:
                yield key, added


class _Values(ValuesView[V]):
    """The values of a `Layered`, in the order of its `whole`."""

    def __init__(self, mapping: Layered[Any, V]) -> None:
        super().__init__(mapping)
        self._layered = mapping

    def __iter__(self) -> Iterator[V]:
        return map(itemgetter(1), self._layered.items())
