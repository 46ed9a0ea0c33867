"""Services of AWS on loopback: ministack in a process of its own, and the settings that lead boto3 there alone."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest

from peers.servers import START_TIMEOUT_S, STOP_TIMEOUT_S
from standfast.dns.servers import Server

# No profile, credential or metadata service of this machine is asked.
ENVIRON: Final[Mapping[str, str]] = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}

_BUSY: Final = b"""<?xml version="1.0"?>
<ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type>
<Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>1</RequestId></ErrorResponse>"""
BUSY_ANSWER: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n%b" % (
    len(_BUSY),
    _BUSY,
)
"""What Route 53 says to who asks more than five times a second (developer guide, "Quotas")."""


@contextmanager
def ministack(folder: Path, port: int, services: str) -> Iterator[Server]:
    """Run `services`, by their names with commas between, with nothing in them."""
    folder.mkdir(parents=True, exist_ok=True)
    environ = {
        "SERVICES": services,
        "LOG_LEVEL": "WARNING",
        "IOT_MTLS_ENABLED": "0",  # else it opens an MQTT listener on all interfaces
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",  # at its start and end it would look for containers there
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "ministack"], cwd=folder, env=environ, stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline_s:
                pytest.fail(f"ministack did not start; it said:\n{(folder / 'log').read_text(errors='replace')}")
            time.sleep(0.05)
        yield Server("127.0.0.1", port)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_ministack/health")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True
