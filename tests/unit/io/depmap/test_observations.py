"""What a guard has resolved is read from its files where it does not run; where it does, see `test_running`."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from guard_world import World, a, cname, nodata, positive
from standfast.depmap.errors import ModelError
from standfast.depmap.loss import single_points
from standfast.dns.model import RRType
from standfast.dns.rdata import rrset_from_text
from standfast.guard.events import Remember
from standfast.guard.packed import question_of
from standfast.io.depmap.load import load_map
from standfast.io.depmap.observations import is_state_dir, read_guard
from standfast.io.state.state_dir import claim
from standfast.io.state.store import Store
from standfast.io.state.store_file import FILE_NAME, SURVEYED_FILE_NAME

WWW = "www.example.org."


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Return the state directory of a guard that has resolved an alias, and the name servers of both zones."""
    world = World(survey_pause_s=1.0)
    world.say(WWW, RRType.A, positive(cname(WWW, "d1.cdn.net."), a("d1.cdn.net.", "192.0.2.1", "192.0.2.2")))
    world.say("d1.cdn.net.", RRType.NS, nodata("cdn.net."))
    for zone, server in (("example.org.", "ns1.other.com."), ("cdn.net.", "ns2.other.com.")):
        world.serve(rrset_from_text(zone, RRType.NS, 300, [server]))
    world.look_up(WWW)
    world.run(600)
    for file_name, memory in ((FILE_NAME, world.core.memory), (SURVEYED_FILE_NAME, world.core.survey.memory)):
        store = Store(tmp_path, alarm=lambda alarm: pytest.fail(str(alarm)), file_name=file_name)
        store.load()
        store.start()
        for key, packed in memory.entries().items():
            store.remember(Remember(question=question_of(key), packed=packed))
        assert store.close()
    return tmp_path


def test_a_state_directory_is_a_map_of_names_their_zones_and_name_servers(state_dir: Path) -> None:
    loaded = load_map([state_dir])
    assert not loaded.errors
    points = single_points(loaded.map.graph, "www.example.org")
    assert {"d1.cdn.net", "zone:cdn.net", "ns2.other.com", "zone:example.org", "dns:other.com"} <= set(points)
    assert not {"192.0.2.1", "192.0.2.2"} & set(points)


def test_reading_leaves_the_files_as_they_are_for_the_guard_to_start_again(state_dir: Path) -> None:
    first = read_guard(state_dir)
    assert read_guard(state_dir) == first
    assert {path.name for path in state_dir.iterdir()} >= {FILE_NAME, SURVEYED_FILE_NAME}
    assert len(list(Store(state_dir, alarm=lambda alarm: pytest.fail(str(alarm))).load().entries)) == 1


def test_damaged_rows_are_told_and_the_rest_is_read(state_dir: Path) -> None:
    with closing(sqlite3.connect(state_dir / SURVEYED_FILE_NAME)) as file, file:
        file.execute("UPDATE known_good SET packed = zeroblob(20) WHERE key = (SELECT min(key) FROM known_good)")
    reading = read_guard(state_dir)
    assert [remark.text for remark in reading.remarks] == ["left out as damaged: 1"]
    assert reading.told


def test_a_directory_that_a_guard_holds_which_cannot_be_asked_is_an_error(state_dir: Path) -> None:
    with claim(state_dir), pytest.raises(ModelError, match="is in use by process"):
        read_guard(state_dir)


def test_damaged_files_are_an_error_and_stay_where_they_are(state_dir: Path) -> None:
    (state_dir / FILE_NAME).write_bytes(b"no database at all" * 100)
    with pytest.raises(ModelError, match="cannot be read"):
        read_guard(state_dir)
    assert (state_dir / FILE_NAME).read_bytes().startswith(b"no database")


def test_any_other_directory_is_none_of_a_guard(tmp_path: Path) -> None:
    assert not is_state_dir(tmp_path)
    with pytest.raises(ModelError, match="this is no state directory"):
        read_guard(tmp_path)
