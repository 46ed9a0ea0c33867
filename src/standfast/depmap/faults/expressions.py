"""What the unavailability of a basic event is worked out from: numbers, parameters, and the usual laws of failure.

Open-PSA Model Exchange Format 2.0d, chapter "stochastic layer". Of a distribution (a `*-deviate`) the mean is taken:
it is the point estimate that such a file means. Times are in the unit of the file, hours by custom.
"""

import math
import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Final

from standfast.depmap.errors import ModelError
from standfast.depmap.faults.elements import Element

PARAMETERS_DEEP_MAX: Final = 100  # parameters that hang on parameters; a longer chain is a mistake
_ANY: Final = 1_000_000  # arguments


def _exponential(rate: float, time: float) -> float:
    """Failed by `time`, at a constant rate, without repair."""
    return -math.expm1(-rate * time)


def _glm(on_demand: float, failures: float, repairs: float, time: float) -> float:
    """Failed at `time`, with repair: gamma, lambda, mu and t of the format."""
    both = failures + repairs
    return (failures - (failures - on_demand * both) * math.exp(-both * time)) / both


def _weibull(scale: float, shape: float, begin: float, time: float) -> float:
    """Failed by `time`: alpha, beta, t0 and t of the format."""
    return 0.0 if time <= begin else -math.expm1(-(((time - begin) / scale) ** shape))


# tag: the fewest and the most arguments, and what it is.
_FUNCTIONS: Final[Mapping[str, tuple[int, int, Callable[..., float]]]] = {
    "neg": (1, 1, operator.neg),
    "add": (1, _ANY, lambda *terms: math.fsum(terms)),
    "sub": (1, _ANY, lambda *terms: reduce(operator.sub, terms)),
    "mul": (1, _ANY, lambda *factors: math.prod(factors)),
    "div": (1, _ANY, lambda *terms: reduce(operator.truediv, terms)),
    "pi": (0, 0, lambda: math.pi),
    "abs": (1, 1, abs),
    "exp": (1, 1, math.exp),
    "log": (1, 1, math.log),
    "log10": (1, 1, math.log10),
    "pow": (2, 2, math.pow),
    "sqrt": (1, 1, math.sqrt),
    "min": (1, _ANY, lambda *terms: min(terms)),
    "max": (1, _ANY, lambda *terms: max(terms)),
    "mean": (1, _ANY, lambda *terms: math.fsum(terms) / len(terms)),
    "exponential": (2, 2, _exponential),
    "GLM": (4, 4, _glm),
    "Weibull": (4, 4, _weibull),
    "uniform-deviate": (2, 2, lambda low, high: (low + high) / 2),
    "normal-deviate": (2, 2, lambda mean, _deviation: mean),
    "lognormal-deviate": (2, 3, lambda mean, *_spread: mean),
    "gamma-deviate": (2, 2, operator.mul),
    "beta-deviate": (2, 2, lambda alpha, beta: alpha / (alpha + beta)),
}


Path = tuple[str, ...]  # the containers that something stands in, from the outermost
# What a `parameter` element in a container refers to: its name in full, its definition, and the container of that.
Find = Callable[[Element, Path], tuple[str, Element, Path]]


class Expressions:
    """The parameters of one file, each worked out once, when it is first asked for."""

    def __init__(self, find: Find, *, file: str, mission_time: float | None) -> None:
        self._find = find
        self._file = file
        self._mission_time = mission_time
        self._known: dict[str, float] = {}
        self._open: list[str] = []

    def value(self, element: Element, path: Path) -> float:
        """Return what the expression `element` in the container `path` comes to.

        Raises:
            ModelError: it cannot be worked out.
        """
        match element.tag:
            case "float" | "int":
                return self._number(element)
            case "bool":
                return float(truth(element, self._file))
            case "parameter":
                return self._parameter(element, path)
            case "system-mission-time":
                if self._mission_time is None:
                    raise self._fault(element, "the mission time is not known: name one with --mission-time")
                return self._mission_time
            case tag if tag in _FUNCTIONS:
                return self._call(element, path)
            case tag:
                raise self._fault(element, f"<{tag}> is no expression that is read here")

    def _parameter(self, element: Element, path: Path) -> float:
        name, definition, inside = self._find(element, path)
        if name in self._open:
            raise self._fault(element, f"a parameter hangs on itself: {' -> '.join([*self._open, name])}")
        if len(self._open) >= PARAMETERS_DEEP_MAX:
            raise self._fault(element, f"more than {PARAMETERS_DEEP_MAX} parameters hang on each other")
        if name not in self._known:
            self._open.append(name)
            self._known[name] = self.value(only_part(definition, self._file, "expression"), inside)
            self._open.pop()
        return self._known[name]

    def _call(self, element: Element, path: Path) -> float:
        fewest, most, function = _FUNCTIONS[element.tag]
        if not fewest <= len(element.children) <= most:
            wanted = str(fewest) if fewest == most else f"at least {fewest}" if most == _ANY else f"{fewest} to {most}"
            raise self._fault(element, f"<{element.tag}> takes {wanted} arguments and has {len(element.children)}")
        arguments = [self.value(child, path) for child in element.children]
        try:
            result = function(*arguments)
        except (ArithmeticError, ValueError) as error:
            raise self._fault(element, f"<{element.tag}> of {arguments} cannot be worked out: {error}") from None
        if isinstance(result, complex) or not math.isfinite(result):
            raise self._fault(element, f"<{element.tag}> of {arguments} is no number")
        return result

    def _number(self, element: Element) -> float:
        text = element.attributes.get("value", "")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise self._fault(element, f'"{text}" is no number')
        return number

    def _fault(self, element: Element, reason: str) -> ModelError:
        return ModelError(reason, file=self._file, line=element.line)


def truth(element: Element, file: str) -> bool:
    """Return the `value` of a `constant` or `bool` element."""
    text = element.attributes.get("value", "")
    if text not in ("true", "false"):
        raise ModelError(f'"{text}" is neither true nor false', file=file, line=element.line)
    return text == "true"


def only_part(element: Element, file: str, what: str) -> Element:
    """Return the one element inside `element` that is neither its label nor its attributes."""
    parts = [child for child in element.children if child.tag not in ("label", "attributes")]
    if len(parts) != 1:
        name = element.attributes.get("name", element.tag)
        raise ModelError(f'"{name}" needs one {what} and has {len(parts)}', file=file, line=element.line)
    return parts[0]
