"""xapp.yaml: what it may say, what it derives, and what it says of mistakes."""

import pytest
import yaml

from ric_sim.domain.errors import MalformedFile, UnknownKey
from ric_sim.network.services_catalogue import SERVICES
from ric_sim.radio.config import RadioConfig
from xapps.sdk.descriptor import XAPPS_FOLDER, find_descriptors, load_descriptor

REPORTER = {
    "xapp_name": "watcher",
    "version": "1.2.3",
    "description": "Watches.",
    "module": "xapps.watcher.main",
    "subscriptions": {"reports": [{"measurements": ["DRB.UEThpDl"], "period_ms": 1000}]},
}
ROUTER = {
    "xapp_name": "router-{service}",
    "version": "0.1.0",
    "description": "Routes.",
    "module": "xapps.router.main",
    "services": ["ar", "iot"],
    "subscriptions": {"inserts": ["{service}"]},
    "controls": ["route", "reject"],
}
SLICER = {
    "xapp_name": "slicer-{du}",
    "version": "0.1.0",
    "description": "Slices.",
    "module": "xapps.slicer.main",
    "dus": 3,
    "subscriptions": {"frames": True},
    "controls": ["slice"],
}


@pytest.fixture
def write(tmp_path):
    def written(values, folder="watcher"):
        path = tmp_path / folder / "xapp.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
        return path

    return written


def test_an_xapp_without_services_has_one_instance(write):
    (instance,) = load_descriptor(write(REPORTER)).instances()
    assert (instance.xapp_name, instance.module, instance.env) == ("watcher", "xapps.watcher.main", {})
    assert instance.reports[0].measurements == ("DRB.UEThpDl",)
    assert instance.inserts == ()


def test_an_xapp_with_services_has_an_instance_for_each(write):
    instances = load_descriptor(write(ROUTER | {"env": {"RICITY_WINDOW": "8"}})).instances()
    assert [(i.xapp_name, i.inserts, i.env["RICITY_SERVICE"]) for i in instances] == [
        ("router-ar", ("ar",), "ar"),
        ("router-iot", ("iot",), "iot"),
    ]
    assert all(i.env["RICITY_WINDOW"] == "8" for i in instances)


def test_an_xapp_with_dus_has_an_instance_for_each(write):
    descriptor = load_descriptor(write(SLICER))
    named = [(i.xapp_name, dict(i.env)) for i in descriptor.instances(["video"])]
    assert named == [(f"slicer-{du}", {"RICITY_DU": str(du)}) for du in range(3)]
    assert descriptor.instance("2").xapp_name == "slicer-2"
    with pytest.raises(UnknownKey, match="expected one of 0, 1, 2"):
        descriptor.instance()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dus": 0}, "{du}"),
        ({"xapp_name": "slicer"}, "{du}"),
        ({"dus": 11}, "dus"),
        ({"controls": []}, "`subscriptions.frames` and `controls` slice need each other"),
        ({"controls": ["slice", "weights"]}, "`subscriptions.experience` and `controls` weights need each other"),
        ({"controls": ["slice", "route"]}, "`subscriptions.inserts` and `controls` reject or route need each other"),
    ],
)
def test_what_does_not_fit_a_cell_is_named(write, changes, message):
    with pytest.raises(MalformedFile) as failure:
        load_descriptor(write(SLICER | changes))
    assert message in str(failure.value)


def test_another_citys_services_replace_those_of_the_file(write):
    instances = load_descriptor(write(ROUTER)).instances(["drones"])
    assert [(i.xapp_name, i.inserts) for i in instances] == [("router-drones", ("drones",))]


def test_a_service_is_named_exactly_where_one_is_needed(write):
    with pytest.raises(UnknownKey, match="expected one of ar, iot"):
        load_descriptor(write(ROUTER)).instance()
    with pytest.raises(UnknownKey, match="watcher"):
        load_descriptor(write(REPORTER)).instance("ar")


def test_an_unknown_key_is_refused_with_the_nearest_one(write):
    with pytest.raises(UnknownKey, match="did you mean 'version'"):
        load_descriptor(write(REPORTER | {"verson": "1.2.3"}))
    with pytest.raises(UnknownKey, match="did you mean 'period_ms'"):
        load_descriptor(write(REPORTER | {"subscriptions": {"reports": [{"measurements": ["X"], "period": 1}]}}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "1.2"}, "version"),
        ({"xapp_name": "No Capitals"}, "xapp_name"),
        ({"module": "main.py; rm"}, "module"),
        ({"description": ""}, "description"),
        ({"subscriptions": {}}, "expected inserts, reports, frames or experience"),
        ({"subscriptions": {"reports": [{"measurements": [], "period_ms": 1000}]}}, "measurements"),
        ({"subscriptions": {"reports": [{"measurements": ["X"], "period_ms": 1}]}}, "period_ms"),
        ({"controls": ["route"]}, "need each other"),
        ({"subscriptions": {"inserts": ["ar"]}}, "need each other"),
        ({"services": ["ar"]}, "{service}"),
        ({"xapp_name": "watcher-{service}"}, "{service}"),
        ({"resources": {"cpus": 0}}, "cpus"),
    ],
)
def test_a_value_that_does_not_fit_is_named(write, changes, message):
    with pytest.raises(MalformedFile) as failure:
        load_descriptor(write(REPORTER | changes))
    assert message in str(failure.value)


@pytest.mark.parametrize("text", ["{", "[1, 2]", "", "\x00"])
def test_what_is_no_descriptor_at_all_is_a_malformed_file(write, text):
    with pytest.raises(MalformedFile):
        load_descriptor(write(text))


def test_a_missing_file_is_a_malformed_file(tmp_path):
    with pytest.raises(MalformedFile, match="cannot be read"):
        load_descriptor(tmp_path / "xapp.yaml")


def test_every_folder_with_a_descriptor_is_found_but_the_template(write, tmp_path):
    write(REPORTER)
    write(ROUTER, "router")
    write(REPORTER | {"module": "xapps._draft.main"}, "_draft")
    (tmp_path / "sdk").mkdir()
    assert list(find_descriptors(tmp_path)) == ["router", "watcher"]


def test_two_xapps_of_one_name_are_refused(write, tmp_path):
    write(REPORTER)
    write(ROUTER | {"xapp_name": "watcher-{service}"}, "router")
    assert len(find_descriptors(tmp_path)) == 2
    write(REPORTER | {"module": "xapps.twin.main"}, "twin")
    with pytest.raises(MalformedFile, match="watcher is taken by xapps/"):
        find_descriptors(tmp_path)


def test_a_module_outside_its_folder_is_refused(write, tmp_path):
    write(REPORTER, "elsewhere")
    with pytest.raises(MalformedFile, match="not in this folder"):
        find_descriptors(tmp_path)


def test_the_projects_own_descriptors_fit_and_serve_the_whole_catalogue():
    routing = find_descriptors()["routing"]
    assert [i.xapp_name for i in routing.instances()] == [f"routing-{spec.key}" for spec in SERVICES]
    slicing, critic = find_descriptors()["slicing"], find_descriptors()["critic"]
    assert [i.xapp_name for i in slicing.instances()] == [f"slicing-du-{du}" for du in range(RadioConfig().n_dus)]
    assert [i.xapp_name for i in critic.instances()] == ["critic"]
    assert load_descriptor(XAPPS_FOLDER / "_template" / "xapp.yaml").instances()
