"""What one worker has prepared, as the guard sees it: a keeper of answers in another process."""

import socket
from dataclasses import dataclass

from standfast.dns.prepared import Voidable, key_of
from standfast.io.workers.link import TO_WORKER_OCTETS_MAX, Count, Page, Prepare, Void, encode_to_worker


class RemoteAnswers:
    """The keeper of what is prepared in one process. Never waits for it."""

    def __init__(self, channel: socket.socket, page: Page) -> None:
        """Speak over `channel`, the guard's end, and `page`."""
        self._channel = channel
        self._page = page
        self._is_closed = False

    def put(
        self, query: bytes, answer: bytes, *, stored_at_s: float, expires_at_s: float, now: float
    ) -> Voidable | None:
        """Have the worker give `answer` again. Where its channel is full it will ask again, and nothing is kept."""
        key = key_of(query)
        if key is None:
            return None
        prepare = Prepare(query=query, answer=answer, stored_at_s=stored_at_s, expires_at_s=expires_at_s, now=now)
        return _RemotePrepared(self, key) if self._send(encode_to_worker(prepare)) else None

    def void(self, key: bytes) -> None:
        """Have the worker not give the answer with `key` any more; where its channel is full, none that it has.

        When this returns, nobody gets it who asks from now on: the worker looks at the page after it has received a
        query and before it answers.
        """
        if self._is_closed:
            return
        if not self._send(encode_to_worker(Void(key))):
            self._page.numbers[Count.FLUSHES] += 1
        self._page.numbers[Count.EPOCH] += 1  # last, when all is there that it leads to

    def close(self) -> None:
        """Have the process give nothing any more, and let go of channel and page."""
        self._is_closed = True
        self._channel.close()
        self._page.numbers[Count.EPOCH] += 1  # leads to a channel that is closed, which ends it
        self._page.close()

    def _send(self, message: bytes) -> bool:
        if self._is_closed or len(message) > TO_WORKER_OCTETS_MAX:
            return False
        try:
            self._channel.send(message)
        except OSError:  # it is full, or the process is gone
            return False
        return True


@dataclass(frozen=True, slots=True)
class _RemotePrepared:
    keeper: RemoteAnswers
    key: bytes

    def void(self) -> None:
        self.keeper.void(self.key)
