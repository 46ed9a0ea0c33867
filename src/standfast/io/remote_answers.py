"""What one worker has prepared, as the guard sees it: a keeper of answers in another process."""

import socket
from dataclasses import dataclass

from standfast.dns.prepared import Voidable, key_of
from standfast.io.worker_link import TO_WORKER_OCTETS_MAX, Count, Page, Prepare, Void, encode_to_worker


class RemoteAnswers:
    """The keeper of what is prepared in one process. Never waits for it."""

    def __init__(self, channel: socket.socket, page: Page) -> None:
        """Speak over `channel`, the guard's end, and `page`."""
        self._channel = channel
        self._numbers = page.numbers

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
        if not self._send(encode_to_worker(Void(key))):
            self._numbers[Count.FLUSHES] += 1
        self._numbers[Count.EPOCH] += 1  # last, when all is there that it leads to

    def _send(self, message: bytes) -> bool:
        if len(message) > TO_WORKER_OCTETS_MAX:
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
