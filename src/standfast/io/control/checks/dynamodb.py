"""A look at a DynamoDB endpoint: its table is there and active, and one item can be read by its key.

boto3 finds the credentials and signs; the request goes to the very address that is looked at, in the name of its host,
which none of boto3's own clients can be told. Port 443 is asked by TLS, any other in the clear, as local servers are.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from standfast.control.health import Ill, Look, NotLooked, Well
from standfast.control.intent import HealthCheck
from standfast.io.http1 import Answer, NotHttp, exchange
from standfast.io.roots import Roots

HTTPS_PORT: Final = 443
SIGN_SHARE: Final = 0.5  # of the time-out: credentials may have to be asked for, and that is not the endpoint's fault
ANSWER_MAX: Final = 1 << 19  # octets; an item has 400 KB at most, and is described in JSON
_TARGET: Final = "DynamoDB_20120810"
# Said by a service that is well of a caller who is not: that tells nothing of the endpoint.
_OUR_FAULTS: Final = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "UnrecognizedClientException",
        "ValidationException",
    }
)


@dataclass(slots=True)
class DynamoDb:
    """Looks at endpoints; keeps the credentials that were found."""

    roots: Roots
    _session: Any = field(default=None, init=False)

    async def look(self, address: str, check: HealthCheck) -> Look:
        """Describe the table of `check`, and read its canary item where a key is set.

        Raises:
            OSError: the endpoint cannot be reached.
        """
        if check.table is None:
            return NotLooked(why="a dynamodb check needs a table")
        try:
            described = await self._call(address, check, "DescribeTable", {"TableName": check.table})
            if isinstance(described, Ill | NotLooked):
                return described
            status = described.get("Table", {}).get("TableStatus")
            if status != "ACTIVE":
                return Ill(why=f"table {check.table} is {status}")
            if not check.key:
                return Well()
            key = {attribute: {"S": text} for attribute, text in check.key}
            item = await self._call(address, check, "GetItem", {"TableName": check.table, "Key": key})
        except NotHttp as error:
            return Ill(why=str(error))
        except _CannotSign as error:
            return NotLooked(why=str(error))
        if isinstance(item, Ill | NotLooked):
            return item
        return Well() if item.get("Item") else Ill(why=f"the canary item is not in table {check.table}")

    async def _call(
        self, address: str, check: HealthCheck, operation: str, arguments: Mapping[str, object]
    ) -> dict[str, Any] | Ill | NotLooked:
        assert check.port is not None
        secure = check.port == HTTPS_PORT
        host = (check.host or address).removesuffix(".")
        body = json.dumps(arguments).encode()
        told = f"[{host}]" if ":" in host else host  # as it is sent, which is a part of what is signed
        url = f"https://{told}/" if secure else f"http://{told}:{check.port}/"
        try:
            async with asyncio.timeout(SIGN_SHARE * check.timeout_s):
                fields = await asyncio.to_thread(self._signed, url, check.region, operation, body)
        except TimeoutError:
            raise _CannotSign("AWS credentials are not found in time") from None
        answer = await exchange(
            address,
            check.port,
            self.roots.probes if secure else None,
            host=host,
            head="POST / HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in fields.items()),
            body=body,
            body_max=ANSWER_MAX,
        )
        return _said(answer, operation)

    def _signed(self, url: str, region: str | None, operation: str, body: bytes) -> dict[str, str]:
        """Return the header fields of a signed request; it may take a call to find credentials.

        Raises:
            _CannotSign: there are none, or boto3 is not installed.
        """
        try:
            import boto3  # noqa: PLC0415  an extra, needed by this check alone
            from botocore.auth import SigV4Auth  # noqa: PLC0415
            from botocore.awsrequest import AWSRequest  # noqa: PLC0415
            from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        except ImportError:
            raise _CannotSign('boto3 is not installed: pip install "standfast[aws]"') from None
        try:
            if self._session is None:
                self._session = boto3.session.Session()
            credentials = self._session.get_credentials()
            region = region or self._session.region_name
        except BotoCoreError as error:
            raise _CannotSign(f"the AWS credentials cannot be used: {error}") from error
        if credentials is None or region is None:
            what = "AWS credentials" if credentials is None else "region: set it in the check"
            raise _CannotSign(f"there is no {what}, or AWS_{'ACCESS_KEY_ID' if credentials is None else 'REGION'}")
        fields = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{_TARGET}.{operation}"}
        request = AWSRequest(method="POST", url=url, data=body, headers=fields)
        try:
            SigV4Auth(credentials.get_frozen_credentials(), "dynamodb", region).add_auth(request)
        except BotoCoreError as error:
            raise _CannotSign(f"the AWS credentials cannot be used: {error}") from error
        return dict(request.headers.items())


class _CannotSign(Exception):
    """No request can be made from here."""


def _said(answer: Answer, operation: str) -> dict[str, Any] | Ill | NotLooked:
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        return Ill(why=f"{operation}: status {answer.status}, and no JSON")
    if answer.status == HTTPStatus.OK:
        return said
    error = str(said.get("__type", "")).rpartition("#")[2]
    told = f"{operation}: {error or f'status {answer.status}'}"
    return NotLooked(why=told) if error in _OUR_FAULTS else Ill(why=told)
