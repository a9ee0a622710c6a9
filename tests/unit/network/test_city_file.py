import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ric_sim.domain.errors import MalformedFile
from ric_sim.network.city import City
from ric_sim.network.city_file import MAX_FILE_BYTES, city_from_json, city_to_json, load_city, save_city
from ric_sim.network.montreal import build_city
from ric_sim.network.profiles import PROFILES

Document = dict[str, Any]
Change = Callable[[Document], object]


@pytest.mark.parametrize("profile", PROFILES)
def test_round_trip_keeps_the_fingerprint(profile: str, tmp_path: Path) -> None:
    city = build_city(profile)
    path = tmp_path / "city.json"
    save_city(city, path)
    loaded = load_city(path)
    assert loaded.fingerprint == city.fingerprint
    assert loaded.services == city.services
    assert loaded.node_names == city.node_names
    assert (loaded.out_links == city.out_links).all()
    assert city_to_json(loaded) == city_to_json(city)


def test_one_node_or_link_per_line(small_city: City) -> None:
    lines = city_to_json(small_city).decode().splitlines()
    assert sum(line.startswith('  {"from"') for line in lines) == small_city.n_links
    assert sum(line.startswith('  {"name"') for line in lines) == small_city.n_nodes


def document_of(city: City) -> Document:
    return dict(json.loads(city_to_json(city)))


def named(items: list[Document], name: str) -> Document:
    return next(item for item in items if name in (item.get("name"), item.get("key")))


def remove_node(document: Document, name: str) -> None:
    document["nodes"] = [node for node in document["nodes"] if node["name"] != name]
    document["links"] = [link for link in document["links"] if name not in (link["from"], link["to"])]


def remove_links(document: Document, *ends: str) -> None:
    document["links"] = [link for link in document["links"] if {link["from"], link["to"]} != set(ends)]


def link_both_ways(document: Document, a: str, b: str) -> None:
    document["links"] += [{"from": x, "to": y, "capacity_kbps": 1000, "latency_us": 1} for x, y in ((a, b), (b, a))]


WRONG: list[tuple[str, Change, str]] = [
    ("unknown key", lambda d: d["links"][0].update(capcity_kbps=5), r"links\[0\].capcity_kbps: unknown key.*'capacity_kbps'"),
    ("misplaced key", lambda d: named(d["nodes"], "agg").update(near=True), r"nodes\[9\] \(agg\).near: .*does not belong here"),
    ("missing key", lambda d: named(d["nodes"], "du-1").pop("near"), r"nodes\[3\] \(du-1\).near: key missing"),
    ("unknown kind", lambda d: named(d["nodes"], "du-1").update(kind="odu"), r"\(du-1\).kind: .*got 'odu', did you mean 'o-du'"),
    ("no kind", lambda d: named(d["nodes"], "du-1").pop("kind"), r"nodes\[3\] \(du-1\): key missing"),
    ("other format", lambda d: d.update(format="ricity-city/2"), r"format: .*'ricity-city/1'"),
    ("text for number", lambda d: d["links"][3].update(latency_us="7"), r"links\[3\].latency_us: .*integer.*got '7'"),
    ("fraction", lambda d: d["links"][3].update(capacity_kbps=1.5), r"links\[3\].capacity_kbps: .*integer"),
    ("truth for number", lambda d: d["links"][3].update(capacity_kbps=True), r"links\[3\].capacity_kbps: .*integer"),
    ("negative", lambda d: d["links"][3].update(capacity_kbps=-1), r"links\[3\].capacity_kbps: .*greater.*got -1"),
    ("zero capacity", lambda d: d["links"][3].update(capacity_kbps=0), r"links\[3\].capacity_kbps: .*greater"),
    ("more than 32 bits", lambda d: d["links"][3].update(capacity_kbps=2**32), r"links\[3\].capacity_kbps: .*4294967295"),
    ("not a number", lambda d: d["links"][3].update(capacity_kbps=math.nan), r"NaN is not a number of JSON"),
    ("infinite place", lambda d: d["nodes"][0].update(x_km=math.inf), r"Infinity is not a number of JSON"),
    ("odd name", lambda d: d["nodes"][0].update(name="ru a"), r"nodes\[0\] \(ru a\).name: .*pattern"),
    ("slice differentiator", lambda d: d["services"][0].update(sd="12"), r"services\[0\] \(ar\).sd"),
    ("no services", lambda d: d.update(services=[]), r"services: .*at least 1"),
    ("nodes no list", lambda d: d.update(nodes={}), r"nodes: .*list"),
    ("node no object", lambda d: d["nodes"].append(7), r"nodes\[11\]"),
    ("duplicate node", lambda d: d["nodes"].append(dict(d["nodes"][0])), r"node 'ru-a' occurs twice"),
    ("duplicate service", lambda d: d["services"].append(dict(d["services"][0])), r"service 'ar' occurs twice"),
    ("duplicate slice", lambda d: d["services"][1].update(sst=1, sd="000001"), r"slice .*'1-000001' occurs twice"),
    ("duplicate direction", lambda d: d["services"][0].update(directions=["uplink", "uplink"]), r"'ar' lists a direction twice"),
    ("duplicate link", lambda d: d["links"].append(dict(d["links"][0])), r"link ru-a -> access occurs twice"),
    ("unknown node", lambda d: d["links"][0].update({"from": "ru-aa"}), r"links\[0\].from: there is no node 'ru-aa'.*'ru-a'"),
    ("loop", lambda d: d["links"][0].update(to="ru-a"), r"link ru-a -> ru-a leads back"),
    ("one way", lambda d: d["links"].pop(1), r"link ru-a -> access has no way back: add the link access -> ru-a"),
    ("limit above nominal", lambda d: d["nodes"][2].update(compute_limit_ucores=10_000_001), r"du-0: compute_limit_ucores"),
    ("service of UPF", lambda d: named(d["nodes"], "upf-ar-0").update(service="arr"), r"unknown service of upf-ar-0 'arr'.*'ar'"),
    ("no UPF", lambda d: remove_node(d, "upf-ar-0"), r"service 'ar' has no UPF"),
    ("no O-CU", lambda d: remove_node(d, "cu-0"), r"there is no O_CU"),
    ("island", lambda d: remove_links(d, "access", "agg"), r"no links lead from ru-a to .* others"),
    ("beyond exact integers", lambda d: d["services"][0].update(processing_ns=10**10, mean_bandwidth_kbps=1), r"exact integers"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_what_is_wrong_is_named_with_its_place(small_city: City, change: Change, message: str, tmp_path: Path) -> None:
    document = document_of(small_city)
    change(document)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(document))
    with pytest.raises(MalformedFile, match=message) as caught:
        load_city(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_radio_unit_behind_a_host_has_no_route(small_city: City) -> None:
    document = document_of(small_city)
    remove_links(document, "ru-b", "access")
    link_both_ways(document, "ru-b", "upf-ar-0")
    with pytest.raises(MalformedFile, match="no route leads from upf-ar-0 over an O-CU and an O-DU to ru-b: hosts forward no"):
        city_from_json(json.dumps(document).encode())


def test_a_radio_unit_beside_its_o_du_is_served(small_city: City) -> None:
    document = document_of(small_city)
    remove_links(document, "ru-b", "access")
    link_both_ways(document, "ru-b", "du-1")
    assert city_from_json(json.dumps(document).encode()).n_links == small_city.n_links


def test_too_many_links_at_one_node(small_city: City) -> None:
    document = document_of(small_city)
    for number in range(300):
        document["nodes"].append({"name": f"leaf-{number}", "kind": "access", "x_km": 0, "y_km": 0})
        link_both_ways(document, "core", f"leaf-{number}")
    with pytest.raises(MalformedFile, match=r"305 links leave core, at most 256 may"):
        city_from_json(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no valid JSON"),
        (b"\xff\xfe", "no valid JSON"),
        (b"[" * 100_000, "no valid JSON"),
        (b'{"format": ' + b"9" * 5000 + b"}", "no valid JSON"),
        (b'{"name": "a", "name": "b"}', "the key 'name' occurs twice"),
        (b"[]", "top level: .*dictionary"),
        (b"{}", "format: key missing, add it; name: key missing, add it; profile: key missing, add it; and 3 more"),
        (b" " * (MAX_FILE_BYTES + 1), f"larger than {MAX_FILE_BYTES} bytes"),
    ],
    ids=["empty", "binary", "deep", "endless number", "key twice", "list", "no keys", "large"],
)
def test_content_that_is_no_city(content: bytes, message: str) -> None:
    with pytest.raises(MalformedFile, match=message):
        city_from_json(content, source="x.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MalformedFile, match=r"none\.json: cannot be read \(No such file"):
        load_city(tmp_path / "none.json")


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**31, 2**65)
    | st.floats()
    | st.text()
    | st.sampled_from(["ru-a", "upf"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(["kind", "name"]), inner, max_size=3),
    max_leaves=4,
)


def loaded_or_refused(content: bytes) -> City | MalformedFile:
    """Any other exception is the defect the tests below look for."""
    try:
        return city_from_json(content)
    except MalformedFile as refusal:
        return refusal


def mutated(document: Document, data: st.DataObject) -> Document:
    """One value somewhere replaced, removed or repeated."""
    holder: Any = document
    while True:
        keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or not holder[key] or data.draw(st.integers(0, 4)) == 0:
            break
        holder = holder[key]
    action = data.draw(st.sampled_from(["replace", "remove", "repeat"]))
    if action == "remove":
        del holder[key]
    elif action == "repeat" and isinstance(holder, list):
        holder.append(holder[key])
    else:
        holder[key] = data.draw(JSON_VALUES)
    return document


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_changed_city_loads_or_is_malformed(small_city: City, data: st.DataObject) -> None:
    document = document_of(small_city)
    for _ in range(data.draw(st.integers(1, 3))):
        document = mutated(document, data)
    loaded = loaded_or_refused(json.dumps(document).encode())
    if isinstance(loaded, City):
        assert city_from_json(city_to_json(loaded)).fingerprint == loaded.fingerprint
    else:
        assert str(loaded).startswith("city: ")


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_damaged_bytes_load_or_are_malformed(small_city: City, data: st.DataObject) -> None:
    content = bytearray(city_to_json(small_city))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content) - 1))
        content[start : start + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    loaded = loaded_or_refused(bytes(content))
    assert isinstance(loaded, City) or str(loaded).startswith("city: ")
