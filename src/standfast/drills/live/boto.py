"""How the drill's clients use boto3: as it comes, with a connection of its own for every call."""

from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from standfast.drills.live.calls import ERROR_CHARS_MAX
from standfast.drills.live.dynamo import REGION

CAUSES_MAX = 16  # botocore, urllib3, ssl and socket nest five deep; more would be a loop

# What botocore does by its documented settings alone; nothing of it is replaced.
Client = Any  # boto3 makes its client classes at run time


def dynamodb_client(
    endpoint_url: str, *, ca_file: Path, connect_timeout_s: float, read_timeout_s: float, tries: int
) -> Client:
    """Return a DynamoDB client that opens a new connection, and so looks its name up, for every call.

    Args:
        endpoint_url: `https://NAME:PORT`.
        ca_file: the only authority that it trusts.
        connect_timeout_s: for each address that the name has.
        read_timeout_s: for the answer.
        tries: 1 is no retry; more are retried as botocore's `standard` mode does.
    """
    session = boto3.session.Session(
        aws_access_key_id="drill",
        aws_secret_access_key="drill",  # noqa: S106  opens nothing: the service checks no signature
        region_name=REGION,
    )
    client = session.client(
        "dynamodb",
        endpoint_url=endpoint_url,
        verify=str(ca_file),
        config=Config(
            connect_timeout=connect_timeout_s,
            read_timeout=read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": tries},
            proxies={},
        ),
    )
    client.meta.events.register("before-send.dynamodb", _ask_to_close)
    return client


def innermost_cause(error: BaseException) -> str:
    """Say what `error` comes from: botocore's own text says that a call failed, and rarely why."""
    for _ in range(CAUSES_MAX):
        cause = error.__cause__ or error.__context__
        if cause is None:
            break
        error = cause
    return f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX]


def _ask_to_close(request: Any, **_: object) -> None:
    # RFC 9112 section 9.6: the server closes after this answer, so that urllib3 connects anew for the next.
    request.headers["Connection"] = "close"
