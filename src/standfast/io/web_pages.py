"""One page by its URL, bounded; where it is not to be had, why, in words. No redirect is followed."""

import ssl
from typing import Final
from urllib.parse import urlsplit

from standfast.io.dns_over_tcp import unreached
from standfast.io.http1 import NotHttp, exchange

_PORTS: Final = {"http": 80, "https": 443}


class NoPage(Exception):
    """What was asked for is not to be had; the text says why."""


async def read_page(url: str, tls: ssl.SSLContext, *, octets_max: int) -> bytes:
    """Return the first `octets_max` octets of what is at `url`, `http://` or `https://`, with `tls` for the latter.

    Raises:
        NoPage: it is not to be had.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        answer = await exchange(
            host,
            parts.port or _PORTS[parts.scheme],
            tls if parts.scheme == "https" else None,
            host=host,
            head=f"GET {path} HTTP/1.1\r\n",
            body_max=octets_max,
        )
    except NotHttp as error:
        raise NoPage(str(error)) from None
    except OSError as error:
        raise NoPage(unreached(error)) from None
    if answer.status != 200:
        moved = " - it sends elsewhere, where nobody is asked unless you name that" if answer.status // 100 == 3 else ""
        raise NoPage(f"it answers with status {answer.status}{moved}")
    return answer.body
