"""The drill's DynamoDB service: ministack in a process of its own, plain HTTP, on loopback, in memory.

Its housekeeping calls (is it there, make the table, put the first items) go straight to it, unsigned, so that
the drill's own process needs no AWS library and none of the user's AWS settings can reach it.
"""

import asyncio
import http.client
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from standfast.drills.live.loopback import Endpoint, free_endpoint
from standfast.drills.live.process import Child

START_TIMEOUT_S = 30.0  # it takes half a second; on a busy machine with a cold disk, several
CALL_TIMEOUT_S = 5.0  # it answers in milliseconds
REGION = "us-east-1"
TABLE = "standfast-drill"
KEY = "id"

_ENVIRONMENT = {
    "SERVICES": "dynamodb",
    "LOG_LEVEL": "WARNING",
    "IOT_MTLS_ENABLED": "0",  # else it opens an MQTT listener on all interfaces
    "SFTP_ENABLED": "0",
    # At its start and end it removes other ministacks' containers from the Docker daemon: it must find none.
    "DOCKER_HOST": "unix:///nonexistent/docker.sock",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamoService:
    """A running DynamoDB service with one table, `TABLE`; an async context manager that stops it."""

    endpoint: Endpoint
    child: Child

    @classmethod
    async def start(cls, folder: Path, *, items: Sequence[str] = (), python: Path = Path(sys.executable)) -> Self:
        """Start it with its files in `folder`, and return once its table is there.

        Args:
            folder: where its log and its temporary files lie; it keeps no state.
            items: keys of items that the table holds from the start.
            python: of the environment that ministack is installed in.

        Raises:
            PartFailed: it did not start: `standfast[drill]` is not installed, or the port was lost.
        """
        endpoint = free_endpoint()
        child = await Child.start(
            "ministack",
            [python, "-m", "ministack"],
            folder=folder,
            env=_ENVIRONMENT | {"BIND_HOST": endpoint.address, "GATEWAY_PORT": str(endpoint.port)},
        )
        service = cls(endpoint=endpoint, child=child)
        try:
            await child.until(service._answers, timeout_s=START_TIMEOUT_S)
            await service._call(
                "CreateTable",
                {
                    "TableName": TABLE,
                    "KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": KEY, "AttributeType": "S"}],
                    "BillingMode": "PAY_PER_REQUEST",
                },
            )
            for item in items:
                await service._call("PutItem", {"TableName": TABLE, "Item": {KEY: {"S": item}}})
        except BaseException:
            await child.stop()
            raise
        return service

    async def stop(self) -> None:
        """End it; calling it twice is fine."""
        await self.child.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _answers(self) -> bool:
        try:
            await self._call("ListTables", {})
        except OSError:
            return False
        return True

    async def _call(self, operation: str, arguments: Mapping[str, object]) -> None:
        status, said = await asyncio.to_thread(_call, self.endpoint, operation, arguments)
        if status != http.client.OK:
            raise self.child.failed(f"refused {operation} with {status}: {said}")


def _call(endpoint: Endpoint, operation: str, arguments: Mapping[str, object]) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(endpoint.address, endpoint.port, timeout=CALL_TIMEOUT_S)
    try:
        connection.request(
            "POST",
            "/",
            body=json.dumps(arguments),
            headers={
                "Content-Type": "application/x-amz-json-1.0",
                "X-Amz-Target": f"DynamoDB_20120810.{operation}",
                # Names the region whose tables are meant; ministack checks no signature.
                "Authorization": f"AWS4-HMAC-SHA256 Credential=drill/20250101/{REGION}/dynamodb/aws4_request,"
                " SignedHeaders=host, Signature=0",
            },
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()
