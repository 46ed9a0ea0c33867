"""Hosts in settings: what names one is found, and what is none, or a secret, is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from standfast.depmap.readers.hosts import hosts_named, in_namespace, service_in_cluster


@pytest.mark.parametrize(
    ("variable", "value", "hosts"),
    [
        ("CART_SERVICE_ADDR", "cartservice:7070", ("cartservice",)),
        ("DB_HOST", "mysql", ("mysql",)),
        ("DB_HOST_1", "db.example.com.", ("db.example.com",)),
        ("SMTP_SERVER", "mail.example.com", ("mail.example.com",)),
        ("API_URL", "https://api.Example.com/v1?x=1", ("api.example.com",)),
        ("DATABASE_URL", "postgres://user:p@ss,word@db.example.com:5432/shop", ("db.example.com",)),
        ("SPRING_DATASOURCE_URL", "jdbc:postgresql://db:5432/shop", ("db",)),
        ("JDBC", "jdbc:sqlserver://sql.example.com:1433;databaseName=x;password=hunter2", ("sql.example.com",)),
        ("DB", "Server=tcp:sql.example.com,1433;Password=hunter2", ("sql.example.com",)),
        ("DSN", "host=db port=5432 password=hunter2", ("db",)),
        ("MONGO", "mongodb://u:p@a:27017,b:27017/x?replicaSet=r", ("a", "b")),
        ("BROKERS", "kafka-0.kafka:9092, kafka-1.kafka:9092", ("kafka-0.kafka", "kafka-1.kafka")),
        ("ES", "http://es-1:9200,http://es-2:9200", ("es-1", "es-2")),
        ("VOTERS", "1@kafka-0:9093,2@kafka-1:9093", ("kafka-0", "kafka-1")),
        ("TARGET", "dns:///checkout:50051", ("checkout",)),
        ("CACHE", "redis://:hunter2@[2001:DB8::1]:6379/0", ("2001:db8::1",)),
        ("UPSTREAM", "192.0.2.1:53", ("192.0.2.1",)),
        ("--redis-addr", "redis:6379", ("redis",)),
        ("", "redis:6379", ("redis",)),
    ],
)
def test_a_host_is_found_however_it_is_written(variable: str, value: str, hosts: tuple[str, ...]) -> None:
    assert hosts_named(variable, value) == hosts


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "8080"),
        ("LISTEN_ADDR", "shop:8080"),
        ("KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://kafka:9092"),
        ("ALLOWED_HOSTS", "www.example.com"),
        ("NO_PROXY", "db.example.com:80"),
        ("HOSTNAME", "web-1"),
        ("DB_HOST", "localhost"),
        ("ADDR", "127.0.0.1:80"),
        ("ADDR", "0.0.0.0:80"),
        ("ADDR", ":8080"),
        ("WEB_SERVER", "nginx"),
        ("NAME", "checkout"),
        ("RATIO", "16:9"),
        ("X", "redis:alpine"),
        ("X", "host:99999"),
        ("APP_IMAGE", "redis:7"),
        ("SOCKET", "unix:///var/run/docker.sock"),
        ("BUCKET", "s3://bucket/key"),
        ("ADMIN_ADDRESS", "admin@example.com"),
        ("DB_PASSWORD", "hunter:22"),
        ("DB_PASSWORD", "https://hunter2.example.com"),
        ("API_KEY", "hunter:22"),
        ("--requirepass", "hunter:22"),
        ("DATABASE_URL", "postgres://user:12/hunter2@db.example.com/shop"),
        ("URL", "https://hunter2?x@db.example.com"),
        ("URL", "{{ .Values.url }}"),
        ("X", "a" * 5_000 + ":80"),
    ],
)
def test_what_is_no_host_of_others_or_may_be_a_secret_is_left_out(variable: str, value: str) -> None:
    assert hosts_named(variable, value) == ()


@given(
    user=st.text("abcdef0123456789", min_size=1),
    password=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1),
)
def test_no_part_of_a_password_comes_out_as_a_host(user: str, password: str) -> None:
    assert hosts_named("DATABASE_URL", f"postgres://{user}:{password}@db.example.com:5432/x") in (
        ("db.example.com",),
        (),
    )


def test_a_name_of_a_cluster_is_its_service() -> None:
    assert service_in_cluster("db.shop.svc.cluster.local") == "shop/db"
    assert service_in_cluster("db.default.svc") == "db"
    assert service_in_cluster("db-0.db.shop.svc.other.example") == "shop/db"
    assert service_in_cluster("db.example.com") is None
    assert in_namespace("db", "shop") == "shop/db"
