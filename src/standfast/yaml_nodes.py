"""YAML that people write, as nodes that know their lines; bounded, since a stack has an end. Knows no meaning."""

from typing import Final

from ruamel.yaml import YAML, ScalarNode
from ruamel.yaml import Node as YamlNode
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from standfast.errors import StandfastError

DEPTH_MAX: Final = 64  # of lists, tables and values in each other; what people write has six


class NotYaml(StandfastError):
    """Octets that are no YAML that can be read. Fields: `reason`, and `line` from 1, None where it has none."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"line {line}: {reason}")
        self.reason = reason
        self.line = line


def compose(octets: bytes) -> YamlNode | None:
    """Return the one document in `octets`; None where there is nothing.

    Raises:
        NotYaml: it is none, or nested too deep.
    """
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.max_depth = DEPTH_MAX
        node: YamlNode | None = yaml.compose(octets.decode())
    except MaxDepthExceededError as error:
        raise NotYaml("what it says is nested too deep in itself", error.problem_mark.line + 1) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise NotYaml(f"no YAML: {error.problem}", line) from None
    except (YAMLError, UnicodeDecodeError, ValueError) as error:
        raise NotYaml(f"no YAML: {error}") from None
    return node


def line_of(node: YamlNode) -> int:
    """Return the line of `node`, from 1."""
    line: int = node.start_mark.line
    return line + 1


def is_nothing(node: YamlNode) -> bool:
    """Say whether nothing is written there, or that it is nothing."""
    return isinstance(node, ScalarNode) and node.value in ("", "~", "null")
