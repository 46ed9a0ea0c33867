"""The drill's stub resolver beside glibc's own, in a network of their own where port 53 can be had."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peers

TESTS = Path(__file__).parents[1]
TIMEOUT_S = 60.0

# In user, mount and network namespaces of its own: root in there is nobody outside, and only loopback is up.
INSIDE = """
set -e
ip link set lo up
mount --bind "$1/resolv.conf" /etc/resolv.conf
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
exec "$2" "$1/compare.py"
"""
NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--net", "sh", "-c", INSIDE, "sh")

COMPARE = """
import json, socket
from concurrent.futures import ThreadPoolExecutor
import dns.rcode
from standfast.drills.live.loopback import Endpoint
from standfast.drills.live.stub import TYPE_A, StubResolver
from unit.drills.live.scripted_dns import ScriptedDns, addresses, lame, silence

OUTCOMES = {
    "found": addresses("127.1.0.1"),
    "nodata": addresses(),
    "lame": lame,
    "nxdomain": addresses(rcode=dns.rcode.NXDOMAIN),
    "servfail": addresses(rcode=dns.rcode.SERVFAIL),
    "refused": addresses(rcode=dns.rcode.REFUSED),
    "silent": silence,
}

DENY = {"nodata", "nxdomain"}
DECIDE_NOTHING = {"lame", "servfail", "refused", "silent"}

def script(query, transport):
    a, aaaa = query.question[0].name.labels[0].decode().split("-")
    return OUTCOMES[a if query.question[0].rdtype == TYPE_A else aaaa](query, transport)

def look_up(getaddrinfo, host):
    try:
        return [entry[4][0] for entry in getaddrinfo(host, 443, type=socket.SOCK_STREAM)]
    except socket.gaierror as error:
        return [error.errno, error.strerror]

def both(host):
    return host, look_up(socket.getaddrinfo, host), look_up(stub.getaddrinfo, host)

server = Endpoint(address="127.0.0.1", port=53)
stub = StubResolver(server=server, timeout_s=1, attempts=1)
# Where only AAAA is denied and A fails, glibc's own answer hangs on which reply it happens to read first.
hosts = [
    f"{a}-{aaaa}.example.com"
    for a in OUTCOMES
    for aaaa in OUTCOMES
    if aaaa != "found" and not (a in DECIDE_NOTHING and aaaa in DENY)
]
with ScriptedDns(script, server), ThreadPoolExecutor(len(hosts)) as pool:
    print(json.dumps(list(pool.map(both, hosts))))
"""


def test_it_tells_every_pair_of_outcomes_as_glibc_tells_it(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    (tmp_path / "compare.py").write_text(COMPARE)
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("this machine's C library is not glibc")
    if not _may_have_namespaces():
        pytest.skip("user namespaces are not allowed here (by sysctl or AppArmor)")
    compared = subprocess.run(
        [*NAMESPACE, tmp_path, sys.executable],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_S,
    )
    outcomes = json.loads(compared.stdout)
    assert len(outcomes) == 7 * 6 - 4 * 2
    assert {host: ours for host, _, ours in outcomes} == {host: glibcs for host, glibcs, _ in outcomes}


def _may_have_namespaces() -> bool:
    probe = [*NAMESPACE[:-4], "sh", "-c", "ip link set lo up && mount --bind /etc /etc"]
    try:
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
