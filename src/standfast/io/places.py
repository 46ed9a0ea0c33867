"""Where things lie: the configuration file and the state directory. Looks for files, opens one at most."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from standfast.errors import StandfastError

CONFIG_NAME = "standfast.toml"
SOCKET_NAME = "control.sock"
SOCKET_PATH_MAX = 107  # octets; sun_path of unix(7) holds 108 with the one that ends it
LEDGER_NAME = "ledger.jsonl"
SYSTEM_CONFIG = Path("/etc/standfast/standfast.toml")


class ConfigError(StandfastError):
    """A configuration that cannot be used. Field: `findings`, a text for each thing that is wrong."""

    def __init__(self, *findings: str) -> None:
        super().__init__("\n".join(findings))
        self.findings = findings


def find_config(named: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Return the configuration file: `named`, `$STANDFAST_CONFIG`, `./standfast.toml`, the system's; or None.

    Raises:
        ConfigError: a file that was named is not there.
    """
    if named is not None:
        return _existing(named, "--config")
    if environ.get("STANDFAST_CONFIG"):
        return _existing(Path(environ["STANDFAST_CONFIG"]), "$STANDFAST_CONFIG")
    return next((path for path in (Path(CONFIG_NAME), SYSTEM_CONFIG) if path.is_file()), None)


def find_state_dir(config: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state directory that the file `config` sets, else the default one.

    Looks at nothing else in the file: what talks to a running guard must work while the file has a mistake.

    Raises:
        ConfigError: the file cannot be read at all, or there is no default.
    """
    if config is not None:
        try:
            content = tomllib.loads(read_config(config))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{config}: this is not TOML: {error}") from error
        match content:
            case {"guard": {"state_dir": str(path)}}:
                return config.parent.absolute() / path
    return default_state_dir(environ)


def read_config(path: Path) -> str:
    """Return the text of the configuration file at `path`.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text (octet {error.start})") from error


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
        raise ConfigError("this user has no home directory - set state_dir in standfast.toml") from None


def _existing(path: Path, said_by: str) -> Path:
    if not path.is_file():
        raise ConfigError(f"{path}: there is no such file - {said_by} names it")
    return path
