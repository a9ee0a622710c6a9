import json

import pytest

from ric_sim.domain.errors import InvalidInput
from services.console.parts import find_places, parse_parts
from services.console.settings import ConsoleSettings


def test_parts_are_read_from_the_setting():
    assert parse_parts(" ric=ric:9100, nodes=[::1]:9101,") == {"ric": "ric:9100", "nodes": "[::1]:9101"}
    assert parse_parts("") == {}


@pytest.mark.parametrize("text", ["ric", "ric=9100", "=host:1", "ric=host:port", "ric=host:0", "ric=host:70000"])
def test_an_unusable_part_is_named(text):
    with pytest.raises(InvalidInput, match="name=host:port"):
        parse_parts(text)


def test_a_run_folder_says_where_its_parts_are_and_the_setting_goes_before(tmp_path):
    ready = tmp_path / "ready"
    ready.mkdir()
    for name, facts in {
        "ric": {"grpc_port": 1, "status_port": 2},
        "nodes": {"status_port": 3},
        "manager": {"http_port": 4, "status_port": 5},
        "registry": {"rest_port": 6},
        "planners": {},
    }.items():
        (ready / f"{name}.json").write_text(json.dumps({"pid": 1, **facts}))
    places = find_places(ConsoleSettings(run_folder=tmp_path, parts="nodes=elsewhere:9"))
    assert places.ric == "127.0.0.1:1"
    assert places.manager == "http://127.0.0.1:4"
    assert places.registry == "http://127.0.0.1:6"
    assert places.status == {"ric": "127.0.0.1:2", "nodes": "elsewhere:9", "manager": "127.0.0.1:5"}


def test_an_empty_run_folder_leaves_the_settings(tmp_path):
    places = find_places(ConsoleSettings(run_folder=tmp_path, ric="ric:50051"))
    assert (places.ric, places.registry, dict(places.status)) == ("ric:50051", "", {})
