"""RFC 8484: queries over HTTPS, as requests of HTTP/2."""

import dns.edns
import dns.message
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RemoteSettingsChanged, RequestReceived, StreamEnded
from h2.settings import SettingCodes

from standfast.dns.codec import QUERY_PADDING_BLOCK
from standfast.dns.exchange import Outbound
from standfast.dns.model import Question, RRType
from standfast.io.upstreams.http2 import HttpsPipeline


def requested(outbound: Outbound) -> tuple[dict[str, str], bytes, dict[int, int]]:
    """Return the header fields, the body and the settings that a server gets for a query."""
    pipeline = HttpsPipeline("dns.example:8443", "/profile?key=7")
    stream_id = pipeline.put(outbound)
    server = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
    server.initiate_connection()
    fields: dict[str, str] = {}
    settings: dict[int, int] = {}
    body, ended = b"", False
    for event in server.receive_data(pipeline.to_send()):
        match event:
            case RequestReceived(headers=list(found)):
                assert event.stream_id == stream_id
                fields = {str(name): str(value) for name, value in found}
            case DataReceived(data=bytes(data)):
                body += data
            case StreamEnded():
                ended = True
            case RemoteSettingsChanged(changed_settings=changed):
                settings = {code: change.new_value for code, change in changed.items()}
            case _:
                pass
    assert ended
    return fields, body, settings


def query(qname: str = "www.example.org.", *, edns: bool = True) -> Outbound:
    return Outbound(id=4711, question=Question(qname, RRType.A), cased_qname=qname, edns=edns)


def test_section_4_1_a_query_is_a_post_request_with_its_media_type_and_id_0() -> None:
    fields, body, _ = requested(query())
    assert fields == {
        ":method": "POST",
        ":scheme": "https",
        ":authority": "dns.example:8443",
        ":path": "/profile?key=7",
        "accept": "application/dns-message",
        "content-type": "application/dns-message",
        "content-length": str(len(body)),
    }
    message = dns.message.from_wire(body)
    assert message.id == 0
    assert message.question[0].to_text() == "www.example.org. IN A"


def test_section_5_3_nothing_may_be_pushed() -> None:
    assert requested(query())[2][SettingCodes.ENABLE_PUSH] == 0


@pytest.mark.parametrize("qname", ["a.", "www.example.org.", f"{'a' * 63}.{'b' * 63}.{'c' * 63}.example.org."])
def test_section_9_queries_are_padded(qname: str) -> None:
    body = requested(query(qname))[1]
    assert len(body) % QUERY_PADDING_BLOCK == 0
    options = dns.message.from_wire(body).options
    assert [option.otype for option in options] == [dns.edns.OptionType.PADDING]


def test_without_edns_there_is_nowhere_to_put_padding() -> None:
    message = dns.message.from_wire(requested(query(edns=False))[1])
    assert message.edns == -1
