"""Mappings that share what they do not change: one entry of half a million put in costs a small copy, not a large one.

None is changed once it is made. Changes lie in layers, each several times as large as the next newer one, and are put
together with an older layer only when they have grown to be a good part of it, as in a log-structured merge tree
(O'Neil et al., 1996). So an entry is copied a few times for each layer there can be, of which there are few, whatever
the size of the whole; all of it is copied only after a good part of it has changed.
"""

from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar, cast, overload

LAYER_MIN: Final = 1_024  # entries of what is copied with each change, in some 10 us
LAYER_GROWTH: Final = 16  # a layer is more than so many times as large as the next newer: so three are many


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
    base, layers = (mapping.base, mapping.layers) if isinstance(mapping, Layered) else (mapping, ())
    size, taken = len(changes), 0
    while taken < len(layers) and len(layers[taken]) <= max(LAYER_MIN, LAYER_GROWTH * size):
        size += len(layers[taken])
        taken += 1
    top = _together((*reversed(layers[:taken]), changes)) if taken else changes
    if taken == len(layers) and len(base) <= max(LAYER_MIN, LAYER_GROWTH * size):
        return _whole(base, top)
    count = len(mapping) + sum((value is not None) - (key in mapping) for key, value in changes.items())
    return Layered(base, (top, *layers[taken:]), count)


class Layered(Mapping[K, V]):
    """`base` with what the layers say otherwise, the newest first; None there is what is gone."""

    __slots__ = ("_count", "base", "layers")

    def __init__(self, base: Mapping[K, V], layers: tuple[Mapping[K, V | None], ...], count: int) -> None:
        self.base = base
        self.layers = layers
        self._count = count

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V | D) -> V | D: ...
    def get(self, key: K, /, default: V | D | None = None) -> V | D | None:
        """Return what stands at `key`, or `default`."""
        for layer in self.layers:
            found = layer.get(key, cast(V, _BELOW))
            if found is not _BELOW:
                return default if found is None else found
        return self.base.get(key, cast(V, default))

    def __getitem__(self, key: K) -> V:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found

    def __contains__(self, key: object) -> bool:
        return self.get(cast(K, key)) is not None

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[K]:
        return map(itemgetter(0), self.items())

    def items(self) -> ItemsView[K, V]:
        """Return all entries. They are read one by one: a transfer of half a million takes its time, and no copy."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """Return all values, one by one too."""
        return _Values(self)


class _Items(ItemsView[K, V]):
    """The entries of a `Layered`, those of its base first."""

    def __init__(self, mapping: Layered[K, V]) -> None:
        super().__init__(mapping)
        self._layered = mapping

    def __iter__(self) -> Iterator[tuple[K, V]]:
        base, layer = self._layered.base, _together(self._layered.layers[::-1])
        for entry in base.items():
            if entry[0] not in layer:
                yield entry
            elif (value := layer[entry[0]]) is not None:
                yield entry[0], value
        for key, added in layer.items():
            if added is not None and key not in base:
                yield key, added


class _Values(ValuesView[V]):
    """The values of a `Layered`, in the same order."""

    def __init__(self, mapping: Layered[Any, V]) -> None:
        super().__init__(mapping)
        self._layered = mapping

    def __iter__(self) -> Iterator[V]:
        return map(itemgetter(1), self._layered.items())


def _together(layers: Sequence[Mapping[K, V | None]]) -> Mapping[K, V | None]:
    """Return what layers say together, the oldest first."""
    made = dict(layers[0])
    for layer in layers[1:]:
        made.update(layer)
    return made


def _whole(base: Mapping[K, V], layer: Mapping[K, V | None]) -> dict[K, V]:
    made = dict(base)
    made.update(cast(Mapping[K, V], layer))
    for key in [key for key, value in layer.items() if value is None]:
        del made[key]
    return made
