import json
from pathlib import Path

import pytest

from ric_sim.domain.errors import InvalidInput, MalformedFile, UnknownKey
from ric_sim.network.city import City
from ric_sim.network.city_file import city_to_json, save_city
from ric_sim.network.flow_file import save_flows
from ric_sim.network.generator import generate_day
from ric_sim.network.scenario import load_scenario
from ric_sim.network.traffic import Day


def test_built_in_city_and_day(city: City, paper_test_day: Day) -> None:
    scenario = load_scenario(profile="paper", day="test")
    assert scenario.city.fingerprint == city.fingerprint
    assert scenario.day.digest == paper_test_day.digest


def test_config_hash_tells_scenarios_apart() -> None:
    hashes = [
        load_scenario(profile=profile, day=day, seed=seed).config_hash
        for profile, day, seed in (
            ("paper", "test", None),
            ("paper", "test", 20260102),
            ("paper", "test", 20260103),
            ("paper", "train", None),
            ("congested", "test", None),
            ("smoke", "test", None),
        )
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 5
    assert all(len(value) == 16 for value in hashes)


def test_exported_files_are_the_same_scenario(city: City, paper_test_day: Day, tmp_path: Path) -> None:
    save_city(city, tmp_path / "city.json")
    save_flows(paper_test_day, city, tmp_path / "test.csv")
    built_in = load_scenario(profile="paper", day="test")
    own_city = load_scenario(profile="paper", day="test", city_file=tmp_path / "city.json")
    own = load_scenario(profile="paper", day="test", city_file=tmp_path / "city.json", flow_file=tmp_path / "test.csv")
    assert built_in.config_hash == own_city.config_hash == own.config_hash


def test_a_city_with_other_radio_units_needs_a_flow_file(small_city: City, tmp_path: Path) -> None:
    save_city(small_city, tmp_path / "small.json")
    with pytest.raises(InvalidInput, match=r"'small' has other O-RUs.*give a flow file"):
        load_scenario(profile="paper", day="test", city_file=tmp_path / "small.json")
    flows = tmp_path / "mine.csv"
    flows.write_text("arrival_s,holding_s,service,direction,ru,upf,bandwidth_kbps,n_requests\n1,5,iot,uplink,ru-a,any,15000,10\n")
    scenario = load_scenario(profile="paper", day="test", city_file=tmp_path / "small.json", flow_file=flows)
    assert (scenario.city.name, scenario.day.name, len(scenario.day)) == ("small", "mine", 1)


def test_a_changed_capacity_keeps_the_generated_day(city: City, paper_test_day: Day, tmp_path: Path) -> None:
    document = json.loads(city_to_json(city))
    document["links"][0]["capacity_kbps"] = 500_000
    (tmp_path / "thin.json").write_text(json.dumps(document))
    scenario = load_scenario(profile="paper", day="test", city_file=tmp_path / "thin.json")
    assert scenario.city.fingerprint != city.fingerprint
    assert scenario.day.digest == paper_test_day.digest


def test_a_city_file_takes_the_scale_of_the_profile(city: City, tmp_path: Path) -> None:
    save_city(city, tmp_path / "city.json")
    scenario = load_scenario(profile="smoke", day="test", city_file=tmp_path / "city.json")
    assert scenario.day.digest == generate_day(city, "test", profile="smoke").digest


def test_the_examples_of_the_documentation_load(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "city.md").read_text()
    for language, name in (("json", "hamlet.json"), ("csv", "day.csv")):
        (tmp_path / name).write_text(text.split(f"```{language}\n")[1].split("```")[0])
    scenario = load_scenario(profile="paper", day="test", city_file=tmp_path / "hamlet.json", flow_file=tmp_path / "day.csv")
    assert (scenario.city.name, scenario.city.n_nodes, scenario.city.n_links) == ("hamlet", 5, 8)
    assert scenario.day.flow_id(1) == "day-000001"


def test_unusable_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownKey, match="profile"):
        load_scenario(profile="papr", day="test")
    with pytest.raises(UnknownKey, match="day"):
        load_scenario(profile="paper", day="monday")
    with pytest.raises(MalformedFile):
        load_scenario(profile="paper", day="test", city_file=tmp_path / "none.json")
