"""The page server over real sockets: what it serves, and that nobody can hold it up."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from typing import TypeVar

import pytest
import structlog.testing

from standfast.dns.servers import Server
from standfast.io.clients.listener import ListenError
from standfast.io.telemetry import pages
from standfast.io.telemetry.pages import Page, PageServer

T = TypeVar("T")


def stumble() -> Page:
    raise ZeroDivisionError


PAGES: dict[str, Callable[[], Page]] = {
    "/fine": lambda: Page(body=b"fine\n"),
    "/ill": lambda: Page(status=HTTPStatus.SERVICE_UNAVAILABLE, content_type="application/json", body=b"{}"),
    "/stumble": stumble,
}


def serving(work: Callable[[Server], Awaitable[T]], *, timeout_s: float = 5.0) -> T:
    """Do `work` while `PAGES` are served."""

    async def run() -> T:
        async with PageServer(Server("127.0.0.1", 0), PAGES, timeout_s=timeout_s) as server:
            return await work(server.bound)

    return asyncio.run(run())


def request(method: str, path: str) -> tuple[HTTPResponse, bytes]:
    """Ask for a page as any HTTP client does."""

    def ask(server: Server) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(server.host, server.port, timeout=5)
        connection.request(method, path)
        response = connection.getresponse()
        return response, response.read()

    return serving(lambda server: asyncio.to_thread(ask, server))


def send(octets: bytes, *, timeout_s: float = 5.0) -> bytes:
    """Send `octets` as they are, and return all that comes back."""

    async def ask(server: Server) -> bytes:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(octets)
        received = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        return received

    return serving(ask, timeout_s=timeout_s)


def test_a_page_is_served_with_its_type_and_length() -> None:
    response, body = request("GET", "/fine")
    assert (response.status, body) == (200, b"fine\n")
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Content-Length"] == "5"


def test_a_query_string_is_passed_over() -> None:
    assert request("GET", "/fine?verbose=1")[0].status == 200


def test_a_page_chooses_its_status() -> None:
    response, _ = request("GET", "/ill")
    assert (response.status, response.headers["Content-Type"]) == (503, "application/json")


def test_head_has_the_header_of_get_and_no_body() -> None:
    answer = send(b"HEAD /fine HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Content-Length: 5\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


def test_another_method_is_refused_and_told_which_there_are() -> None:
    response, _ = request("POST", "/fine")
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


def test_another_path_is_not_found_and_told_which_there_are() -> None:
    response, body = request("GET", "/other")
    assert response.status == 404
    assert b"/fine" in body


def test_a_page_that_fails_is_told_and_logged() -> None:
    with structlog.testing.capture_logs() as logs:
        assert request("GET", "/stumble")[0].status == 500
    assert [(entry["event"], entry["path"]) for entry in logs] == [("page.failed", "/stumble")]


@pytest.mark.parametrize(
    "octets", [b"\r\n\r\n", b"GET /fine\r\n\r\n", b"GET /fine SIP/2.0\r\n\r\n", b"\xff\x00\r\n\r\n"]
)
def test_what_is_no_request_is_refused(octets: bytes) -> None:
    assert send(octets).startswith(b"HTTP/1.1 400 ")


def test_a_header_without_end_is_refused_at_its_bound() -> None:
    answer = send(b"GET /fine HTTP/1.1\r\nX: " + b"x" * (pages.REQUEST_OCTETS_MAX + 1))
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_client_that_says_nothing_is_let_go() -> None:
    assert send(b"GET /fine HTT", timeout_s=0.1) == b""


def test_beyond_the_bound_connections_are_closed_and_the_others_served() -> None:
    async def crowd(server: Server) -> tuple[bytes, bytes]:
        first = [await asyncio.open_connection(server.host, server.port) for _ in range(pages.CONNECTIONS_MAX)]
        reader, writer = await asyncio.open_connection(server.host, server.port)
        try:
            refused = await asyncio.wait_for(reader.read(), 5)
        except ConnectionResetError:
            refused = b""
        first[0][1].write(b"GET /fine HTTP/1.1\r\n\r\n")
        served = await asyncio.wait_for(first[0][0].read(), 5)
        for _, other in [*first, (reader, writer)]:
            other.close()
        return refused, served

    refused, served = serving(crowd)
    assert refused == b""
    assert served.startswith(b"HTTP/1.1 200 ")


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:

        async def start() -> None:
            await PageServer(Server("127.0.0.1", taken.getsockname()[1]), PAGES).start()

        with pytest.raises(ListenError, match="where metrics are to be read"):
            asyncio.run(start())
