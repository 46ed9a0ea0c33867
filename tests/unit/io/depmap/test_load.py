"""Files, folders and patterns become one map; what is broken is told, and the rest still works."""

import os
from pathlib import Path

import pytest

from standfast.depmap.errors import ModelError
from standfast.depmap.mapfile import suits
from standfast.depmap.merging import DependencyMap
from standfast.depmap.statements import Reading, Shares, Told, Witness
from standfast.io.depmap import load
from standfast.io.depmap.load import load_map, told_before, write_map


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "a.yaml").write_text("nodes: {a: {needs: [b]}, b: }")
    (tmp_path / "below" / "c.yaml").write_text("nodes: {c: {causes: [x]}}")
    (tmp_path / "README").write_text("no map")
    (tmp_path / ".git" / "hidden.yaml").write_text("nodes: {hidden: }")
    return tmp_path


def test_a_folder_is_all_below_it_that_is_of_a_known_kind_and_not_hidden(folder: Path) -> None:
    told: list[tuple[int, int]] = []
    found = load_map([folder], on_file=lambda done, of: told.append((done, of)))
    assert set(found.map.graph.nodes) == {"a", "b", "c"}
    assert (found.files, found.errors, told) == (2, (), [(0, 3), (1, 3), (2, 3)])
    assert [each.text for each in found.map.remarks] == [f"1 of no kind that is known are passed over: {folder}/README"]


def test_a_pattern_is_what_it_matches_and_a_file_that_is_meant_twice_is_read_once(folder: Path) -> None:
    found = load_map([folder / "**" / "*.yaml", folder / "a.yaml", folder])
    assert (set(found.map.graph.nodes), found.files) == ({"a", "b", "c"}, 2)


def test_a_broken_file_is_told_and_the_rest_still_works(folder: Path) -> None:
    broken = folder / "broken.yaml"
    broken.write_text("nodes: {a: {needs: [nobody]}}")
    found = load_map([broken, folder / "none.yaml", folder])
    assert set(found.map.graph.nodes) == {"a", "b", "c"}
    assert sorted(map(str, found.errors)) == [
        f'{broken}:1: there is no node "nobody"',
        f"{folder}/none.yaml: cannot be read: no such file or directory",
    ]
    assert {(each.by.where, each.by.line) for each in found.map.remarks} >= {(str(broken), 1)}


def test_a_file_that_is_named_must_be_of_a_known_kind(folder: Path) -> None:
    with pytest.raises(ModelError, match="README: is none of these kinds of file"):
        load_map([folder / "README"])
    with pytest.raises(ModelError, match="README:1: here must be keys with values"):
        load_map([folder / "README"], kind="handwritten")


def test_a_folder_with_nothing_in_it_is_an_error_and_so_is_one_with_far_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelError, match="nothing that a map is made of"):
        load_map([tmp_path])
    monkeypatch.setattr(load, "FILES_MAX", 1)
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    with pytest.raises(ModelError, match="these are more than 1 files"):
        load_map([tmp_path])


def test_a_map_is_written_over_a_map_only_and_read_again_it_is_the_same(folder: Path) -> None:
    found = load_map([folder]).map
    path = folder / "standfast-map.json"
    write_map(path, found)
    write_map(path, found)
    assert load_map([path]).map == found
    with pytest.raises(ModelError, match="README: is there, and is no map"):
        write_map(folder / "README", found)
    with pytest.raises(ModelError, match="cannot be written: no such file or directory"):
        write_map(folder / "nowhere" / "map.json", found)


def test_files_of_maps_are_taken_as_they_are_and_of_others_more_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "standfast-map.json"
    write_map(path, load_map([folder]).map)
    asked: list[str] = []

    def step(found: DependencyMap) -> Reading:
        asked.append("step")
        return Reading(told=(Told(Shares("a", "provider:x"), Witness(reader="step", where="here")),))

    monkeypatch.setattr(load, "steps", lambda: (step,))
    assert not load_map([path]).map.graph.nodes["a"].causes
    assert not asked
    assert load_map([path, folder / "a.yaml"]).map.graph.nodes["a"].causes == ("provider:x",)


def test_pipes_in_a_folder_are_passed_over_and_do_not_stop_the_rest(folder: Path) -> None:
    os.mkfifo(folder / "pipe.yaml")
    assert load_map([folder / "a.yaml", folder / "below"]).map.graph == load_map([folder]).map.graph
    assert load_map([folder], kind="handwritten").files == 2


def test_a_file_name_that_is_no_utf_8_is_kept_as_it_is(folder: Path) -> None:
    (folder / "a.yaml").rename(folder / "caf\udce9.yaml")
    found, path = load_map([folder]).map, folder / "standfast-map.json"
    write_map(path, found)
    assert b"caf\\udce9.yaml" in path.read_bytes()
    assert load_map([path]).map == found


def test_a_pipe_is_written_to_and_not_replaced_or_waited_for(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    assert told_before(pipe) == frozenset()
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_map(pipe, load_map([folder / "a.yaml"]).map)
        assert suits(os.read(reader, 65_536), "")
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_map_that_cannot_be_put_in_its_place_leaves_no_draft(folder: Path) -> None:
    found, before = load_map([folder / "a.yaml"]).map, sorted(folder.iterdir())
    with pytest.raises(ModelError, match="cannot be written"):
        write_map(folder / "below" / ".." / "below", found)
    assert sorted(folder.iterdir()) == before
