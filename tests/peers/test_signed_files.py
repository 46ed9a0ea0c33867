"""Zone files signed by `standfast zone sign`, judged by the checkers of others."""

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from peers.servers import program
from standfast.cli.main import cli

pytestmark = pytest.mark.peers

HARD = Path(__file__).parent / "zones" / "hard.example.zone"


def run(*argv: str | Path) -> Result:
    return CliRunner().invoke(cli, ["zone", *map(str, argv)])


@pytest.mark.parametrize("algorithm", ["ecdsap256sha256", "ed25519"])
@pytest.mark.parametrize("keys", ["csk", "ksk-zsk"])
def test_every_checker_finds_a_signed_file_complete(tmp_path: Path, algorithm: str, keys: str) -> None:
    signed, key_dir = tmp_path / "hard.example.signed", tmp_path / "keys"
    made = run(
        "sign", HARD, "--generate", "--algorithm", algorithm, "--keys", keys, "--output", signed, "--key-dir", key_dir
    )
    assert made.exit_code == 0, made.output
    flags = ["-z"] if keys == "csk" else []
    for argv in (
        ["ldns-verify-zone", signed],
        ["dnssec-verify", *flags, "-o", "hard.example", signed],
        ["named-checkzone", "-i", "none", "hard.example", signed],
        ["kzonecheck", "-o", "hard.example", "-d", "on", signed],
    ):
        judged = subprocess.run(
            [program(str(argv[0])), *map(str, argv[1:])], capture_output=True, text=True, check=False, timeout=60
        )
        assert judged.returncode == 0, (argv, judged.stdout, judged.stderr)
