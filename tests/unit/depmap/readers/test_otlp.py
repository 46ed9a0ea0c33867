"""Traces in OTLP's JSON: who calls whom, by spans of both sides or by what one side says of the other."""

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import Kind, all_of
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.readers.kinds import read_files, reader_of
from standfast.depmap.readers.otlp import parse, suits, tell

IDS = count(1)


def attributes(said: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue"}
    return [{"key": key, "value": {kinds[type(value)]: value}} for key, value in said.items()]


def span(
    kind: int | str, *, parent: str = "", own: str = "", links: tuple[str, ...] = (), **said: Any
) -> dict[str, Any]:
    """Return a span of one trace; `__` in the name of an attribute is a dot."""
    return {
        "traceId": "5B8EFFF798038103D269B633813FC60C",
        "spanId": own or f"{next(IDS):016x}",
        "parentSpanId": parent,
        "kind": kind,
        "attributes": attributes({key.replace("__", "."): value for key, value in said.items()}),
        "links": [{"traceId": "5b8efff798038103d269b633813fc60c", "spanId": link} for link in links],
    }


def of(service: str, *spans: dict[str, Any], scopes: str = "scopeSpans", **said: Any) -> dict[str, Any]:
    resource = {"service.name": service, **{key.replace("__", "."): value for key, value in said.items()}}
    return {"resource": {"attributes": attributes(resource)}, scopes: [{"scope": {}, "spans": list(spans)}]}


def request(*resources: dict[str, Any]) -> str:
    return json.dumps({"resourceSpans": list(resources)})


def read(*files: str) -> DependencyMap:
    parsed = [parse(text.encode(), file=f"{number}.json") for number, text in enumerate(files, 1)]
    return merge([tell(parsed)])


INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)


def test_a_call_is_seen_by_its_parent_even_in_another_file_and_counted() -> None:
    web = of("web", span(CLIENT, own="A1"), span(CLIENT, own="a2", error__type="timeout"))
    api = of("api", span(SERVER, parent="a1"), span(SERVER, parent="A2"), span(SERVER, parent="ffff"))
    found = read(request(web), request(api))
    assert found.graph.nodes["web"].needs == (all_of("api"),)
    assert [witness.where for witness in found.witnesses["web", "api"]] == ["1.json, 2 calls"]
    (said,) = [remark.text for remark in found.remarks]
    assert said == "calls from spans that are in none of these files, so that who called is not known: 1"


@pytest.mark.parametrize("parent", [INTERNAL, SERVER, "SPAN_KIND_CLIENT"])
def test_a_caller_need_not_have_a_span_for_the_call(parent: int | str) -> None:
    found = read(request(of("web", span(parent, own="a1")), of("api", span("SPAN_KIND_SERVER", parent="a1"))))
    assert found.graph.nodes["web"].needs == (all_of("api"),)


def test_calls_within_one_service_are_none() -> None:
    found = read(request(of("web", span(CLIENT, own="a1"), span(SERVER, parent="a1"))))
    assert not found.graph.nodes["web"].needs


@pytest.mark.parametrize(
    ("said", "needed"),
    [
        ({"server.address": "api.example.com"}, {"api.example.com"}),
        ({"net.peer.name": "api.example.com"}, {"api.example.com"}),
        ({"http.url": "https://user:secret@api.example.com/x"}, {"api.example.com"}),
        ({"url.full": "https://api.example.com/x"}, {"api.example.com"}),
        ({"http.host": "api.example.com:8443"}, {"api.example.com"}),
        ({"net.peer.ip": "192.0.2.1", "net.peer.name": "api.example.com"}, {"api.example.com"}),
        ({"network.peer.address": "2001:DB8::1"}, {"2001:db8::1"}),
        ({"peer.service": "payments"}, {"payments"}),
        ({"service.peer.name": "payments", "service.peer.namespace": "pay"}, {"pay/payments"}),
        ({"peer.service": "payments", "server.address": "pay.example.com"}, {"payments", "pay.example.com"}),
        ({"peer.service": "payments", "server.address": "192.0.2.1"}, {"payments"}),
        ({"server.address": "db", "db.system": "mysql"}, {"db"}),
        ({"server.address": "db.data.svc.cluster.local"}, {"data/db"}),
        ({"db.system.name": "postgresql", "db.namespace": "orders"}, {"db:postgresql/orders"}),
        ({"db.system": "redis"}, {"db:redis"}),
        ({"db.system": "postgresql", "db.name": "orders", "net.peer.name": "db.example.com"}, {"db.example.com"}),
        ({"rpc.system": "aws-api", "rpc.service": "DynamoDB", "cloud.region": "us-east-1"}, {"aws:dynamodb/us-east-1"}),
        (
            {"rpc.system.name": "aws-api", "rpc.method": "Secrets Manager/GetSecretValue", "aws.region": "us-east-1"},
            {"aws:secretsmanager/us-east-1"},
        ),
        ({"db.system": "dynamodb", "cloud.region": "us-east-1"}, {"aws:dynamodb/us-east-1"}),
        ({"rpc.system": "aws-api", "rpc.service": "S3"}, set()),
        ({"server.address": "localhost"}, set()),
        ({"net.sock.peer.addr": "/var/run/x.sock"}, set()),
        ({"server.address": "127.0.0.1"}, set()),
    ],
)
def test_the_other_side_that_sends_no_spans_is_known_by_what_is_said_of_it(
    said: dict[str, Any], needed: set[str]
) -> None:
    found = read(request(of("web", span(CLIENT, **{key.replace(".", "__"): value for key, value in said.items()}))))
    assert {part for need in found.graph.nodes["web"].needs for part in need.parts} == needed
    assert "secret@" not in repr(found)


def test_of_one_that_answered_only_its_name_in_the_dns_is_told_beside_it() -> None:
    found = read(
        request(
            of(
                "web",
                span(CLIENT, own="a1", server__address="api.example.com"),
                span(CLIENT, own="a2", server__address="api-svc"),
            ),
            of("api", span(SERVER, parent="a1", server__address="own.example.com"), span(SERVER, parent="a2")),
        )
    )
    assert set(found.graph.nodes["web"].needs) == {all_of("api"), all_of("api.example.com")}
    assert set(found.graph.nodes) == {"web", "api", "api.example.com"}


@pytest.mark.parametrize("by", ["parent", "link"])
@pytest.mark.parametrize("name", ["messaging__destination__name", "messaging__destination"])
def test_both_ends_need_the_queue_and_the_sender_its_receiver_softly(by: str, name: str) -> None:
    queue: dict[str, Any] = {"messaging__system": "kafka", name: "orders"}
    receiving: dict[str, Any] = {"parent": "a1"} if by == "parent" else {"links": ("a1",)}
    found = read(
        request(
            of("web", span(PRODUCER, own="a1", server__address="kafka.example.com", **queue)),
            of("mail", span(CONSUMER, **receiving, **queue)),
        )
    )
    nodes = found.graph.nodes
    assert set(nodes["web"].needs) == {all_of("queue:kafka/orders"), all_of("mail", soft=True)}
    assert nodes["mail"].needs == (all_of("queue:kafka/orders"),)
    assert nodes["queue:kafka/orders"].needs == (all_of("kafka.example.com", role="broker"),)
    assert nodes["queue:kafka/orders"].kind is Kind.RESOURCE


def test_who_is_called_too_is_not_needed_softly_for_messages() -> None:
    web = of("web", span(PRODUCER, own="a1"), span(CLIENT, own="a2"))
    found = read(request(web, of("mail", span(CONSUMER, parent="a1"), span(SERVER, parent="a2"))))
    assert found.graph.nodes["web"].needs == (all_of("mail"),)
    assert not found.contradictions


def test_a_queue_for_one_moment_is_its_broker() -> None:
    reply = span(
        PRODUCER,
        messaging__system="rabbitmq",
        messaging__destination__name="amq.gen-JzTY20BRgKO",
        messaging__destination__temporary=True,
        server__address="rabbit",
    )
    assert read(request(of("web", reply))).graph.nodes["web"].needs == (all_of("rabbit"),)


def test_a_service_is_called_with_its_namespace_of_kubernetes_sooner_than_its_own() -> None:
    found = read(
        request(
            of("a", span(CLIENT, server__address="db"), k8s__namespace__name="shop", service__namespace="x"),
            of("b", span(CLIENT, server__address="db"), service__namespace="x"),
            of(
                "c",
                span(CLIENT, server__address="db"),
                k8s__namespace__name="default",
                scopes="instrumentationLibrarySpans",
            ),
        )
    )
    assert set(found.graph.nodes) == {"shop/a", "shop/db", "x/b", "x/db", "c", "db"}


def test_lines_pretty_documents_and_other_signals_are_read_alike() -> None:
    web, api = of("web", span(CLIENT, own="a1")), of("api", span(SERVER, parent="a1"))
    pretty = json.dumps({"resourceSpans": [web], "x": [1], "y": 2}, indent=2)
    text = f'{request(web)}\n{{"resourceMetrics": []}}\n{json.dumps({"x": 1, "resourceSpans": [api]})}\n'
    assert read(text).graph.nodes["web"].needs == (all_of("api"),)
    assert read(f"{pretty}\n{request(api)}").graph.nodes["web"].needs == (all_of("api"),)


def test_a_line_that_breaks_off_is_told_and_the_others_are_read() -> None:
    web, api = request(of("web", span(CLIENT, own="a1"))), request(of("api", span(SERVER, parent="a1")))
    found = read(f"{web}\n{web[:150]}\n{api}\n{api[:100]}")
    assert found.graph.nodes["web"].needs == (all_of("api"),)
    (remark,) = found.remarks
    assert (remark.text, remark.by.line) == ("2 lines, of which this is the first, are no JSON and left out", 2)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"resourceSpans":[', '{"resourceSpans":[]}', '{"resourceSpans":' + "[" * 100_000]
)
def test_what_has_no_spans_is_an_error(text: str) -> None:
    with pytest.raises(ModelError):
        parse(text.encode(), file="a.json")


@given(st.text(st.sampled_from('{}[]",: \n\\ab1') | st.characters(codec="utf-8"), max_size=40))
def test_no_octets_are_too_broken(text: str) -> None:
    whole = request(of("web", span(CLIENT, own="a1")))
    found = parse(f"{whole}\n{text}".encode(), file="a.json")
    assert found.spans[0].service == "web"


def test_traces_are_known_by_how_they_begin() -> None:
    head = request(of("web", span(CLIENT))).encode()
    assert reader_of(head, file="a").name == "otlp"
    assert not suits(b'{"resourceLogs": []}', "a")
    (reading,), errors = read_files([("a.json", head)])
    assert not errors
    assert reading.told


def test_a_file_that_says_nothing_is_an_error_and_no_reading() -> None:
    readings, (error,) = read_files([("a.json", b'{"resourceSpans":[]}')])
    assert not readings
    assert str(error) == "a.json: there are no spans of a service in it"
