"""Compose files: what services depend on, name and extend, with what stands in other files of the same run."""

import json
from textwrap import dedent

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.graph import all_of, any_of
from standfast.depmap.merging import DependencyMap, merge
from standfast.depmap.readers.compose import parse, suits, tell
from standfast.depmap.readers.kinds import reader_of

SECRET = "hunter2"


def read(text: str, **others: str) -> DependencyMap:
    """Return the map of the compose file `text`, and of `others` in the folder beside it."""
    files = {"a/compose.yaml": text, **{f"a/{name}.yaml": other for name, other in others.items()}}
    return merge([tell([parse(dedent(each).encode(), file=name) for name, each in files.items()])])


def remarks(found: DependencyMap) -> list[str]:
    return [remark.text for remark in found.remarks]


def test_what_is_depended_on_is_needed_softly_where_it_is_done_or_done_without() -> None:
    found = read(
        """\
        services:
          web:
            depends_on:
              db: {condition: service_healthy}
              cache: {condition: service_started}
              migrations: {condition: service_completed_successfully}
              metrics: {condition: service_started, required: false}
          worker: {depends_on: [db]}
          db: {image: "postgres:16"}
          cache:
          migrations:
          metrics:
        """
    )
    assert set(found.graph.nodes["web"].needs) == {
        all_of("db"),
        all_of("cache"),
        all_of("migrations", soft=True),
        all_of("metrics", soft=True),
    }
    assert found.graph.nodes["worker"].needs == (all_of("db"),)
    assert {witness.line for witness in found.witnesses["worker", "db"]} == {8}
    assert not remarks(found)


@pytest.mark.parametrize(
    "environment",
    [
        '{DB_URL: "postgres://u:p@db/x", BROKERS: "kafka:9092,api.example.com:9092"}',
        '["DB_URL=postgres://u:p@db/x", "BROKERS=kafka:9092,api.example.com:9092", UNSET]',
        '{DB_URL: "postgres://${U}:$P@${DB_HOST:-db}/${X-x}", BROKERS: "${B:-${C:-kafka}:9092,api.example.com:9092}"}',
    ],
)
def test_settings_name_hosts_by_table_list_or_variable(environment: str) -> None:
    found = read(f"services: {{web: {{environment: {environment}}}, db: , kafka: }}\nnetworks:\n")
    assert set(found.graph.nodes["web"].needs) == {all_of("db"), any_of("kafka", "api.example.com")}


def test_a_variable_that_nothing_sets_names_nothing_and_a_dollar_is_kept() -> None:
    found = read('services: {web: {environment: {A_URL: "http://${A}:80", B_URL: "http://$$b:80", C_HOST: "$C"}}}\n')
    assert not found.graph.nodes["web"].needs


def test_commands_name_hosts_as_lists_and_as_texts() -> None:
    found = read(
        """\
        services:
          a: {command: ["serve", "--db=db:5432", "--cache", "cache:6379"]}
          b: {command: "serve --db db:5432", entrypoint: ["sh", "-c", "wait cache:6379"]}
          db:
          cache:
        """
    )
    assert set(found.graph.nodes["a"].needs) == {all_of("db"), all_of("cache")}
    assert found.graph.nodes["b"].needs == (all_of("db"),)


def test_a_service_is_found_by_its_container_its_host_name_its_alias_and_its_link() -> None:
    found = read(
        """\
        services:
          web:
            links: ["one:first"]
            external_links: ["legacy:old"]
            extra_hosts: ["fixed=192.0.2.1"]
            networks: {back: , front: }
            environment: {A_HOST: first, B_HOST: two.local, C_HOST: third, D_HOST: the-4th, E_HOST: fixed, F_HOST: old}
          one: {networks: [back]}
          two: {hostname: two.local, networks: [back]}
          three: {networks: {back: {aliases: [third]}}}
          four: {container_name: the-4th, networks: [back]}
        """
    )
    parts = {part for need in found.graph.nodes["web"].needs for part in need.parts}
    assert parts == {"one", "two", "three", "four", "192.0.2.1", "legacy"}


def test_whose_network_or_volumes_a_service_uses_it_needs() -> None:
    found = read(
        """\
        services:
          web: {network_mode: "service:vpn", volumes_from: ["data:ro", "container:x"], pid: "service:vpn", ipc: host}
          vpn:
          data:
        """
    )
    assert set(found.graph.nodes["web"].needs) == {all_of("vpn"), all_of("data")}


def test_what_cannot_be_reached_or_is_not_there_is_told() -> None:
    found = read(
        """\
        services:
          web: {environment: {DB_HOST: db, CACHE_HOST: cache}, networks: [front]}
          db: {networks: [back]}
        """
    )
    assert remarks(found) == [
        '"web" names "db", and shares no network with it',
        '"web" names the host "cache", which is none of these services',
    ]


def test_a_service_has_what_it_extends_in_its_file_or_another_and_its_own_counts() -> None:
    found = read(
        """\
        x-common: &common {environment: {LOG_HOST: log}}
        services:
          web: {extends: {service: base}, environment: {DB_HOST: own-db}}
          base: {extends: {file: ./common.yaml, service: top}, environment: [CACHE_HOST=cache]}
          merged: {<<: *common, depends_on: [log]}
          circle: {extends: circle}
          lost: {extends: {file: ../other.yaml, service: x}}
          own-db:
          cache:
          log:
        """,
        common="services: {top: {environment: {DB_HOST: other-db}, depends_on: [log]}}",
    )
    assert set(found.graph.nodes["web"].needs) == {all_of("own-db"), all_of("cache"), all_of("log")}
    assert found.graph.nodes["merged"].needs == (all_of("log"),)
    assert '"circle" is extended by more than 16 in a row, or by itself' in remarks(found)
    assert 'what "lost" extends is not there: "x" of ../other.yaml' in remarks(found)


def test_a_project_that_has_a_name_is_the_namespace_of_its_services() -> None:
    found = read(
        "name: ${PROJECT:-shop}\nservices:\n  web: {depends_on: [db], environment: {DB_HOST: db}}\n  db:\n",
        other="services: {db: }",
    )
    assert set(found.graph.nodes) == {"shop/web", "shop/db", "db"}
    assert found.graph.nodes["shop/web"].needs == (all_of("shop/db"),)


def test_what_is_not_read_or_does_not_run_is_told() -> None:
    found = read(
        """\
        include: [other.yaml, {path: [gone.yaml]}]
        services:
          debug: {profiles: [dev, test], env_file: .env}
          idle: {deploy: {replicas: 0}}
        """,
        other="services: {x: }",
    )
    assert set(remarks(found)) == {
        '"debug" runs only where a profile asks for it: dev, test',
        '"debug" is set up by an env_file, which is not read',
        '"idle" has no replicas: none of it runs',
        "what it includes is not among the files: gone.yaml",
    }


def test_no_secret_comes_out() -> None:
    found = read(
        f"""\
        services:
          web:
            environment:
              DB_PASSWORD: "{SECRET}:80"
              DB_URL: "postgres://{SECRET}:{SECRET}@db:5432/{SECRET}"
              TOKEN: "${{TOKEN:-{SECRET}}}"
            command: --requirepass {SECRET} --api-key={SECRET}:80
            secrets: [{SECRET}]
          db: {{labels: ["{SECRET}:80"]}}
        """
    )
    assert found.graph.nodes["web"].needs == (all_of("db"),)
    assert SECRET not in repr(found)
    with pytest.raises(ModelError) as raised:
        parse(f"services:\n  web: {{environment: {{PASSWORD: *{SECRET}}}}}\n".encode(), file="a.yaml")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("text", ["services:\n", "services: [a]\n", "a: 1\n", "services: {a: [}\n", ""])
def test_what_has_no_services_is_an_error(text: str) -> None:
    with pytest.raises(ModelError):
        parse(text.encode(), file="a.yaml")


def test_anchors_that_hold_themselves_come_to_an_end() -> None:
    found = read("services:\n  web: &a\n    <<: [*a, *a]\n    depends_on: &b [*b, db]\n  db:\n")
    assert found.graph.nodes["web"].needs == (all_of("db"),)


@pytest.mark.parametrize(
    ("head", "is_compose"),
    [
        (b'version: "3"\nservices:\n  web:\n', True),
        (b"services: # all\n\n  # one\n  web: {}\n", True),
        (b"services: {web: }\n", True),
        (b"language: c\nservices:\n  - docker\n", False),
        (json.dumps({"name": "x", "networks": {}, "services": {"a": {}}}).encode(), True),
        (b"nodes:\n  a:\nservices:\n", False),
        (b"apiVersion: v1\nkind: X\nservices:\n", False),
        (b'{"partitions": [{"services": {}}]}', False),
    ],
)
def test_compose_files_are_known_by_what_is_in_them(head: bytes, *, is_compose: bool) -> None:
    assert suits(head, "a") is is_compose
    if is_compose:
        assert reader_of(head, file="a").name == "compose"
