"""The lists of address ranges in the user's folder."""

import gzip
import os
from pathlib import Path

import pytest

from standfast.depmap.errors import ModelError
from standfast.io.depmap import ranges
from standfast.io.depmap.load import load_map
from standfast.io.depmap.ranges import ranges_dir, read_lists, read_one

AWS = """{"createDate": "2026-08-22-15-17-05", "ipv6_prefixes": [], "prefixes": [
  {"ip_prefix": "3.0.0.0/16", "region": "us-east-1", "service": "EC2", "network_border_group": "us-east-1"}]}"""
NETWORKS = b"3.0.0.0\t3.1.255.255\t16509\tUS\tAMAZON-02\n"
NEW_YEAR_S = 1_767_225_600  # 2026-01-01


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "aws.json").write_text(AWS)
    (tmp_path / "ip2asn.tsv.gz").write_bytes(gzip.compress(NETWORKS))
    (tmp_path / "hosting.txt").write_text("9.9.9.0/24\nnonsense\n")
    for path in tmp_path.iterdir():
        os.utime(path, (NEW_YEAR_S, NEW_YEAR_S))
    return tmp_path


def test_every_list_of_the_folder_is_read_and_dated(folder: Path) -> None:
    lists = read_lists(folder)
    one, other = lists.places.of("3.0.0.1"), lists.places.of("9.9.9.9")
    assert one is not None
    assert other is not None
    assert (one.region, one.by.where) == ("us-east-1", "aws.json of 2026-08-22")
    assert (other.provider, other.by.where) == ("hosting", "hosting.txt of 2026-01-01")
    network = lists.network_of("3.0.0.1")
    assert network is not None
    assert (network[0].number, network[1].where) == (16_509, "ip2asn.tsv.gz of 2026-01-01")
    assert [(remark.by.where, remark.text) for remark in lists.remarks] == [
        ("hosting.txt", '1 of its entries are no ranges, the first "nonsense"')
    ]


def test_a_broken_list_is_named_and_the_others_hold(folder: Path) -> None:
    (folder / "google.json").write_text('{"creationTime": ')
    (folder / "ip2asn.tsv.gz").write_bytes(gzip.compress(NETWORKS)[:-9])
    (folder / "hosting.txt").unlink()
    lists = read_lists(folder)
    assert lists.places.of("3.0.0.1") is not None
    assert [(remark.by.where, remark.text) for remark in lists.remarks] == [
        ("google.json", "is no JSON, or cut off"),
        ("ip2asn.tsv.gz", "is cut off"),
    ]


def test_without_a_folder_there_are_no_lists(tmp_path: Path) -> None:
    for folder in (tmp_path / "none", None):
        lists = read_lists(folder)
        assert (lists.places.of("3.0.0.1"), lists.network_of("3.0.0.1"), lists.remarks) == (None, None, ())


def test_a_file_in_the_place_of_the_folder_is_remarked(folder: Path) -> None:
    assert [remark.text for remark in read_lists(folder / "aws.json").remarks] == ["cannot be read: Not a directory"]


def test_what_unpacks_to_more_than_there_may_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "OCTETS_MAX", 1 << 20)
    with pytest.raises(ModelError, match="has more than 1 MiB unpacked"):
        read_one(gzip.compress(b"\t" * (2 << 20)), file="networks.tsv.gz")
    with pytest.raises(ModelError, match="is no gzip file, or damaged"):
        read_one(b"\x1f\x8bnonsense", file="networks.tsv.gz")


@pytest.mark.parametrize(
    ("environ", "where"),
    [
        ({"STANDFAST_RANGES": "/lists", "CACHE_DIRECTORY": "/var/cache/standfast"}, "/lists"),
        ({"CACHE_DIRECTORY": "/var/cache/standfast:/other", "XDG_CACHE_HOME": "/c"}, "/var/cache/standfast/ranges"),
        ({"XDG_CACHE_HOME": "/home/a/.cache"}, "/home/a/.cache/standfast/ranges"),
    ],
)
def test_the_folder_is_the_one_that_is_named_or_in_the_cache(environ: dict[str, str], where: str) -> None:
    assert ranges_dir(environ) == Path(where)


def test_a_map_has_the_causes_that_the_lists_know(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDFAST_RANGES", str(folder))
    path = tmp_path / "map.yaml"
    path.write_text("nodes:\n  shop: {needs: [3.0.0.1]}\n  3.0.0.1:\n")
    causes = load_map([path]).map.graph.nodes["3.0.0.1"].causes
    assert set(causes) == {"provider:aws", "region:aws/us-east-1", "as:16509"}
