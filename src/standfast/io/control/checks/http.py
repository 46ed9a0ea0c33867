"""A look by HTTP: the status, and where it is asked for a text in the body. No redirect is followed."""

import ssl
from typing import Final
from urllib.parse import quote

from standfast.control.health import Ill, Look, Well
from standfast.control.intent import HealthCheck
from standfast.io.http1 import NotHttp, exchange

BODY_MAX: Final = 65_536  # octets of a body that are looked through for the text
_PATH_SAFE: Final = "/?#[]@!$&'()*+,;=:%-._~"


async def look_by_http(address: str, check: HealthCheck, context: ssl.SSLContext | None) -> Look:
    """Ask for the path of `check`; with a `context` by TLS, whose certificate must be for its host.

    Raises:
        OSError: it cannot be reached, or breaks off.
    """
    assert check.port is not None
    host = (check.host or address).removesuffix(".")
    head = f"GET {quote(check.path, safe=_PATH_SAFE)} HTTP/1.1\r\n"
    wanted = check.text.encode() if check.text is not None else None
    try:
        answer = await exchange(
            address, check.port, context, host=host, head=head, body_max=0 if wanted is None else BODY_MAX, until=wanted
        )
    except NotHttp as error:
        return Ill(why=str(error))
    if not any(least <= answer.status <= most for least, most in check.status):
        return Ill(why=f"status {answer.status}")
    if wanted is not None and wanted not in answer.body:
        return Ill(why=f"status {answer.status}, and its text is not what is expected")
    return Well()
