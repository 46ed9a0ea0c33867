"""etcd by its JSON gateway: one request at one of its members, keys and values as octets, failures in words.

The gateway speaks gRPC's messages as JSON: octets as base64, numbers of 64 bits as text. A write is never sent twice:
where nobody says what became of it, that is told. So it is where etcd says that its leader changed or that it took too
long, as the leader that is there now may do it yet.
"""

import asyncio
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit

from standfast.control.store import PlanStoreError
from standfast.io.faults import in_words
from standfast.io.http1 import NotHttp, exchange, requested

PORT: Final = 2379
CALL_S: Final = 10.0  # etcd itself gives up after 7 s without a leader
ANSWER_MAX: Final = 256 << 20  # octets: parts come one by one, but many headers come at once
LINE_MAX: Final = 16 << 20  # octets of one event of a watch
WORDS_MAX: Final = 300  # octets of what is no JSON
_JSON: Final = "Content-Type: application/json\r\n"
_WHAT_TO_DO: Final = "See that etcd runs there and has a leader (`etcdctl endpoint status`). What is published stays."
_ADVICE: Final = {
    "etcdserver: mvcc: database space exceeded": "Compact and defragment it, then `etcdctl alarm disarm`.",
    "etcdserver: permission denied": "Give its user the role for all keys below the prefix, to read and to write.",
    "CommonName of client sending a request against gateway will be ignored and not used as expected": (
        "Name by store_certificate one without a common name: where users have passwords, its gateway takes no other."
    ),
    "etcdserver: request is too large": "Start etcd with --max-request-bytes as it is by default, 1.5 MiB.",
}
_NO_TOKEN: Final = frozenset(
    {"etcdserver: invalid auth token", "etcdserver: user name is empty", "etcdserver: revision of auth store is old"}
)
# What gRPC's codes say of which nothing was done (etcd, api/v3rpc/rpctypes/error.go). All others, as UNAVAILABLE of
# "leader changed" and "request timed out", UNKNOWN and CANCELLED, leave open what becomes of a write.
_REFUSALS: Final = frozenset(
    {
        3,  # INVALID_ARGUMENT
        5,  # NOT_FOUND
        6,  # ALREADY_EXISTS
        7,  # PERMISSION_DENIED
        8,  # RESOURCE_EXHAUSTED
        9,  # FAILED_PRECONDITION
        11,  # OUT_OF_RANGE
        12,  # UNIMPLEMENTED
        16,  # UNAUTHENTICATED
    }
)


def text_of(octets: bytes) -> str:
    """Return octets as the gateway has them."""
    return b64encode(octets).decode()


def octets_of(text: str) -> bytes:
    """Return the octets that the gateway's text is."""
    return b64decode(text)


class EtcdGateway:
    """The members of one etcd. What it raises are `PlanStoreError`s."""

    def __init__(self, urls: Sequence[str], *, context: ssl.SSLContext, user: tuple[str, str] | None = None) -> None:
        """Connect to nothing yet.

        Args:
            urls: of its members, any of which will do.
            context: whom to trust, where they are `https`.
            user: name and password, where it wants them.
        """
        self._urls = list(urls)  # the one that answered last comes first
        self._context = context
        self._user = user
        self._token: str | None = None

    def __str__(self) -> str:
        return ", ".join(sorted(self._urls))

    async def read(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Ask for something that changes nothing, at one member after the other."""
        return await self._call(path, body, again=True)

    async def write(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Have something done, once."""
        return await self._call(path, body, again=False)

    async def watch(self, begin: bytes, end: bytes, *, since: int) -> int:
        """Wait until a key of the range is changed after revision `since`; return the revision of what was seen last.

        Where the revisions since then are compacted, anything may have changed: that of now is returned at once.
        """
        wanted = {"key": text_of(begin), "range_end": text_of(end), "start_revision": str(since + 1)}
        why: list[str] = []
        for url in list(self._urls):
            try:
                async with aclosing(self._lines(url, "/v3/watch", {"create_request": wanted})) as lines:
                    async for line in lines:
                        said = line.get("result", {})
                        if "error" in line or (said.get("canceled") and "compact_revision" not in said):
                            self._token = None  # a member that was started again knows none of before
                            raise PlanStoreError(self._refused(line.get("error") or said))
                        events = said.get("events", ())
                        if events:
                            return max(int(event["kv"]["mod_revision"]) for event in events)
                        if said.get("canceled"):
                            return await self.revision(begin)
            except (OSError, NotHttp, ValueError) as error:
                why.append(f"{url}: {_words(error)}")
            self._put_last(url)
        raise PlanStoreError(self._unreached(why))

    async def revision(self, key: bytes) -> int:
        """Return the revision of now; `key` is one that may be read."""
        answer = await self.read("/v3/kv/range", {"key": text_of(key), "keys_only": True})
        return int(answer["header"]["revision"])

    async def _lines(self, url: str, path: str, body: Mapping[str, object]) -> AsyncGenerator[dict[str, Any], None]:
        """Yield what a member says, one JSON document a line, for as long as it does."""
        await self._authenticated(url)
        parts = self._request(url, path, body)
        async with requested(*parts[:3], host=parts[3], head=parts[4], body=parts[5]) as response:
            rest = b""
            async for part in response.parts:
                *lines, rest = (rest + part).split(b"\n")
                if len(rest) > LINE_MAX:
                    raise NotHttp("it says more at once than can be")
                for line in lines:
                    if line.strip():
                        yield json.loads(line)
        raise NotHttp("it ended the watch")

    async def _call(self, path: str, body: Mapping[str, object], *, again: bool) -> dict[str, Any]:
        why: list[str] = []
        for url in list(self._urls):
            try:
                async with asyncio.timeout(CALL_S):
                    await self._authenticated(url)
                    status, said = await self._exchange(url, path, body)
                    if _error(said) in _NO_TOKEN and self._user is not None:
                        self._token = None  # it is worth something for minutes; nothing was done
                        await self._authenticated(url)
                        status, said = await self._exchange(url, path, body)
            except (OSError, NotHttp, ValueError) as error:
                why.append(f"{url}: {_words(error)}")
                self._put_last(url)
                if not again and not _is_undone(error):
                    raise PlanStoreError(f"{self._unreached(why)} Whether it was done is not known.") from error
                continue
            if status == 200:
                return said
            if _is_refused(status, said):
                raise PlanStoreError(self._refused(said))
            why.append(f"{url}: {_error(said)}")
            self._put_last(url)
            if not again:
                raise PlanStoreError(f"{self._unreached(why)} Whether it was done is not known.")
        raise PlanStoreError(self._unreached(why))

    async def _authenticated(self, url: str) -> None:
        if self._user is None or self._token is not None:
            return
        name, password = self._user
        status, said = await self._exchange(url, "/v3/auth/authenticate", {"name": name, "password": password})
        if status == 200:
            self._token = str(said["token"])
        elif not _is_refused(status, said):
            raise ConnectionRefusedError(_error(said))  # it can let nobody in now, and nothing was asked for yet
        elif _error(said) != "etcdserver: authentication is not enabled":
            raise PlanStoreError(self._refused(said))

    async def _exchange(self, url: str, path: str, body: Mapping[str, object]) -> tuple[int, dict[str, Any]]:
        address, port, context, host, head, octets = self._request(url, path, body)
        answer = await exchange(address, port, context, host=host, head=head, body=octets, body_max=ANSWER_MAX)
        try:
            said = json.loads(answer.body)
        except ValueError:
            if answer.status < 400:  # the gateway says some of what it refuses in plain words
                raise
            said = {"error": answer.body[:WORDS_MAX].decode(errors="replace").strip()}
        if not isinstance(said, dict):
            raise NotHttp("it is no etcd")
        return answer.status, said

    def _request(
        self, url: str, path: str, body: Mapping[str, object]
    ) -> tuple[str, int, ssl.SSLContext | None, str, str, bytes]:
        parsed = urlsplit(url)
        host = parsed.hostname or ""
        secure = parsed.scheme == "https"
        token = f"Authorization: {self._token}\r\n" if self._token else ""
        head = f"POST {path} HTTP/1.1\r\n{_JSON}{token}"
        octets = json.dumps(body).encode()
        return host, parsed.port or PORT, self._context if secure else None, host, head, octets

    def _put_last(self, url: str) -> None:
        self._urls.remove(url)
        self._urls.append(url)

    def _unreached(self, why: Sequence[str]) -> str:
        return f"etcd cannot be used: {'; '.join(why)}. {_WHAT_TO_DO}"

    def _refused(self, said: object) -> str:
        error = _error(said)
        return f"etcd at {self} refuses: {error}. {_ADVICE.get(error, _WHAT_TO_DO)}"


def _is_undone(error: Exception) -> bool:
    """Say whether nothing can have been done: nobody was there, or it was not who it should be."""
    return isinstance(error, ConnectionRefusedError | ssl.SSLCertVerificationError)


def _is_refused(status: int, said: Mapping[str, Any]) -> bool:
    """Say whether it is sure that nothing was done, and that it would be the same at another member."""
    return said["code"] in _REFUSALS if "code" in said else status < 500


def _error(said: object) -> str:
    if isinstance(said, dict):
        for key in ("error", "message", "cancel_reason"):
            if said.get(key):
                return _error(said[key])
    return str(said)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError) and error.errno is None:
        return "no answer in time"
    match error:
        case ssl.SSLCertVerificationError():
            return f"{in_words(error)} (where the authority is your own, name it by ca_file)"
        case ssl.SSLError() if "certificate" in in_words(error):  # told once all is sent (RFC 8446 section 4.4.2.4)
            return f"{in_words(error)} (see what store_certificate says)"
        case OSError():
            return in_words(error)
    return str(error) if isinstance(error, NotHttp) else "it is no etcd"
