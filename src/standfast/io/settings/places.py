"""Where things lie: the configuration file and the state directory. Looks for files, opens one at most."""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from standfast.errors import StandfastError

CONFIG_NAME = "standfast.toml"
SOCKET_NAME = "control.sock"
SOCKET_PATH_MAX = 107  # octets; sun_path of unix(7) holds 108 with the one that ends it
LEDGER_NAME = "ledger.jsonl"
CONTROL_NAME = "control"  # of the control plane's directory, in that of the guard unless it is set
SYSTEM_CONFIG = Path("/etc/standfast/standfast.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong: where, what, and what to write instead. `line` counts from 1, None where unknown."""

    file: str
    line: int | None = None
    text: str

    def __str__(self) -> str:
        return f"{self.file}: {self.text}" if self.line is None else f"{self.file}:{self.line}: {self.text}"


class ConfigError(StandfastError):
    """A configuration that cannot be used. Field: `findings`, everything that is wrong."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


def find_config(
    named: Path | None, environ: Mapping[str, str] = os.environ, *, said_by: str = "--config"
) -> Path | None:
    """Return the configuration file: `named`, `$STANDFAST_CONFIG`, `./standfast.toml`, the system's; or None.

    `said_by` is where `named` comes from, for the error.

    Raises:
        ConfigError: a file that was named is not there.
    """
    if named is not None:
        return _existing(named, said_by)
    if environ.get("STANDFAST_CONFIG"):
        return _existing(Path(environ["STANDFAST_CONFIG"]), "$STANDFAST_CONFIG")
    return next((path for path in (Path(CONFIG_NAME), SYSTEM_CONFIG) if path.is_file()), None)


def find_state_dir(config: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state directory that the file `config` sets, else the default one.

    Looks at nothing else in the file: what talks to a running guard must work while the file has a mistake.

    Raises:
        ConfigError: the file cannot be read at all, or there is no default.
    """
    return _set_state_dir(config, "guard") or default_state_dir(environ)


def find_control_dir(config: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the control plane's directory that the file `config` sets, else the default one.

    Raises:
        ConfigError: as `find_state_dir` does.
    """
    return _set_state_dir(config, "control") or find_state_dir(config, environ) / CONTROL_NAME


def read_config(path: Path) -> str:
    """Return the text of the configuration file at `path`.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(Finding(file=str(path), text=f"cannot be read: {error.strerror}")) from error
    except UnicodeDecodeError as error:
        raise ConfigError(Finding(file=str(path), text=f"is not UTF-8 text (octet {error.start})")) from error


def default_state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return where state goes when nobody says where.

    That is `$STATE_DIRECTORY` (systemd), else below `$XDG_STATE_HOME` or `~/.local/state`.

    Raises:
        ConfigError: the user has no home.
    """
    if environ.get("STATE_DIRECTORY"):
        return Path(environ["STATE_DIRECTORY"].split(":")[0])  # systemd.exec(5): several have a colon between
    if environ.get("XDG_STATE_HOME"):
        return Path(environ["XDG_STATE_HOME"]) / "standfast"
    try:
        return Path.home() / ".local" / "state" / "standfast"
    except RuntimeError:
        text = "state_dir: this user has no home directory to keep state in - set it"
        raise ConfigError(Finding(file=CONFIG_NAME, text=text)) from None


def _set_state_dir(config: Path | None, table: str) -> Path | None:
    if config is None:
        return None
    try:
        content = tomllib.loads(read_config(config))
    except (ValueError, RecursionError) as error:  # the latter of brackets that go too deep
        raise ConfigError(Finding(file=str(config), text=f"this is not TOML: {error}")) from error
    match content.get(table):
        case {"state_dir": str(path)}:
            return config.parent.absolute() / path
    return None


def _existing(path: Path, said_by: str) -> Path:
    if not path.is_file():
        raise ConfigError(Finding(file=str(path), text=f"there is no such file - {said_by} names it"))
    return path
