"""What is in packaging/ can be used: the unit of systemd, the image's recipe, the manifests of Kubernetes."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from running_guard import standfast

CHECKOUT = Path(__file__).parents[2]
UNIT = CHECKOUT / "packaging" / "systemd" / "standfast.service"
CONTAINERFILE = CHECKOUT / "packaging" / "container" / "Containerfile"
MANIFESTS = CHECKOUT / "packaging" / "kubernetes" / "standfast.yaml"

EXPOSURE_MAX = 2.0  # of 10, by systemd's own reckoning; what is left is what a resolver needs
RUNTIME_USER = 65532

# systemd.exec(5): no memory that is writable can be made executable. The kernel's own word for it, prctl(2), is
# PR_SET_MDWE; it holds for whatever is then executed.
WITHOUT_NEW_CODE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(65, 1, 0, 0, 0) != 0:
    sys.exit(77)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
ALL_NATIVE_CODE = """
import mmap
try:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
except PermissionError:
    pass
else:
    raise SystemExit("it is not in force")
import socket, ssl
import cryptography.x509, pydantic_core
from standfast.dns.prepared import PreparedAnswers
from standfast.io.clients import batch
from standfast.io import daemon, guard_daemon
from standfast.io.authority import service
from standfast.io.control import plane
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.setblocking(False)
    udp.bind(("127.0.0.1", 0))
    udp.sendto(b"x" * 20, udp.getsockname())
    served = batch.batch_on(udp, tells_local=False).serve(PreparedAnswers(), 0.0)
    assert served.missed[0].wire == b"x" * 20
ssl.create_default_context()
print("works")
"""


# systemd


def analyze(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `systemd-analyze` on the unit, with a program that is there in place of Standfast's."""
    command = shutil.which("systemd-analyze")
    if command is None:
        pytest.skip("no systemd-analyze here: apt-get install systemd")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/standfast/bin/standfast", "/bin/true"))
    return subprocess.run([command, *arguments, unit], capture_output=True, text=True, timeout=60, check=False)


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    verified = analyze(tmp_path, "verify", "--man=no")
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")


def test_systemd_calls_the_unit_well_shut_off(tmp_path: Path) -> None:
    judged = analyze(tmp_path, "security", "--offline=yes", "--no-pager", f"--threshold={round(EXPOSURE_MAX * 10)}")
    assert judged.returncode == 0, judged.stdout


def test_nothing_that_is_used_makes_code_at_run_time() -> None:
    assert "MemoryDenyWriteExecute=yes" in UNIT.read_text()
    command = [sys.executable, "-c", WITHOUT_NEW_CODE, "-c", ALL_NATIVE_CODE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip("this kernel has no PR_SET_MDWE: Linux 6.3 or later")
    assert (done.stdout, done.stderr) == ("works\n", "")


# The image


def instructions(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Containerfile with their arguments, continued lines joined, comments left out."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = lines.replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def test_every_line_of_the_containerfile_is_an_instruction() -> None:
    words = [word for word, _ in instructions(CONTAINERFILE.read_text())]
    assert words[0] == "ARG"
    assert set(words) <= {
        *("ARG", "FROM", "RUN", "ENV", "WORKDIR", "COPY"),
        *("USER", "EXPOSE", "VOLUME"),
        "ENTRYPOINT",
        "CMD",
    }


def test_everything_that_the_image_copies_is_there() -> None:
    copied = [rest.split() for word, rest in instructions(CONTAINERFILE.read_text()) if word == "COPY"]
    sources = [source for parts in copied if not parts[0].startswith("--from=") for source in parts[:-1]]
    assert "uv.lock" in sources
    assert [source for source in sources if not (CHECKOUT / source).exists()] == []


def test_the_image_is_built_from_locked_dependencies_with_the_uv_of_the_setup() -> None:
    text = CONTAINERFILE.read_text()
    setup = re.search(r"^UV_VERSION=([\d.]+)", (CHECKOUT / "scripts" / "setup").read_text(), re.MULTILINE)
    assert setup
    assert f"uv=={setup[1]}\n" in text
    syncs = [rest for word, rest in instructions(text) if word == "RUN" and rest.startswith("uv sync")]
    assert len(syncs) == 2
    assert all("--locked" in sync and "--no-dev" in sync for sync in syncs)


def test_the_image_does_not_run_as_root() -> None:
    last = [rest for word, rest in instructions(CONTAINERFILE.read_text()) if word == "USER"][-1]
    assert last == f"{RUNTIME_USER}:{RUNTIME_USER}"


# Kubernetes


def manifests() -> dict[str, Any]:
    """Return every object by its kind."""
    return {manifest["kind"]: manifest for manifest in yaml.safe_load_all(MANIFESTS.read_text())}


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_the_manifests_are_what_kubernetes_calls_valid(version: str) -> None:
    found = manifests()
    assert list(found) == ["Namespace", "ConfigMap", "DaemonSet"]
    for manifest in found.values():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_key_that_kubernetes_does_not_know_is_caught() -> None:
    daemon_set = manifests()["DaemonSet"]
    daemon_set["spec"]["template"]["spec"]["hostNetwerk"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(daemon_set, "1.30", strict=True)


def test_the_configuration_in_the_manifests_passes_the_check(tmp_path: Path) -> None:
    config = tmp_path / "standfast.toml"
    config.write_text(manifests()["ConfigMap"]["data"]["standfast.toml"])
    checked = standfast("check", config)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_names_of_the_cluster_are_left_alone() -> None:
    config = manifests()["ConfigMap"]["data"]["standfast.toml"]
    assert 'suffix = "cluster.local"\nmode = "off"' in config


def test_the_parts_of_the_manifests_fit_together() -> None:
    config = manifests()["ConfigMap"]["data"]["standfast.toml"]
    pod = manifests()["DaemonSet"]["spec"]["template"]["spec"]
    (prepare,), (guard,) = pod["initContainers"], pod["containers"]
    address = re.search(r'listen = \["([\d.]+):53"\]', config)
    metrics = re.search(r'metrics = "([\d.]+):(\d+)"', config)
    assert address
    assert metrics
    assert f"ip address replace {address[1]}/32 " in prepare["command"][-1]
    for name, path in (("startupProbe", "/healthz"), ("readinessProbe", "/healthz"), ("livenessProbe", "/metrics")):
        assert guard[name]["httpGet"] == {"host": metrics[1], "port": int(metrics[2]), "path": path}
    assert f"-o {RUNTIME_USER} -g {RUNTIME_USER} /var/lib/standfast" in prepare["command"][-1]
    assert prepare["image"] == guard["image"]
    mounts = {mount["name"]: mount["mountPath"] for mount in guard["volumeMounts"]}
    assert f'state_dir = "{mounts["state"]}"' in config
    assert guard["args"][-1] == f"{mounts['config']}/standfast.toml"


def test_the_guard_has_no_right_but_to_bind_port_53() -> None:
    (guard,) = manifests()["DaemonSet"]["spec"]["template"]["spec"]["containers"]
    assert guard["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": RUNTIME_USER,
        "runAsGroup": RUNTIME_USER,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    }
