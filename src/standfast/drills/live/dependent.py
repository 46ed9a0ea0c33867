"""A dependent: a small service in the drill's story that cannot answer without one DynamoDB call of its own.

It speaks plain HTTP on loopback and stands behind a `Front`, as an application behind its load balancer.
"""

import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standfast.drills.live.boto import innermost_cause
from standfast.drills.live.loopback import Endpoint

REQUEST_TIMEOUT_S = 10.0  # a connection that says nothing for so long is given up


def start_dependent(read_account: Callable[[], object]) -> Endpoint:
    """Serve in a daemon thread of this process, and return where.

    Every GET calls `read_account`; when that raises, the answer is 503 with the innermost cause as its text.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = REQUEST_TIMEOUT_S
        disable_nagle_algorithm = True  # head and body are two writes, and the second would wait 40 ms

        def do_GET(self) -> None:
            try:
                read_account()
            except Exception as error:  # whatever kept it from its data is its outage
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, innermost_cause(error))
            else:
                self._answer(HTTPStatus.OK, "ok")

        def _answer(self, status: HTTPStatus, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
            pass  # its callers report every call

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="dependent", daemon=True).start()
    return Endpoint(address="127.0.0.1", port=server.server_port)
