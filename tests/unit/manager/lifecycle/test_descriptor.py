"""Descriptors: O-RAN SC's fields, Ricity's own, and what does not fit."""

from pathlib import Path

import pytest
import yaml

from ric_sim.domain.errors import MalformedFile
from services.manager.lifecycle.descriptor import unfold

STANDARD = {
    "xapp_name": "traffic-steering",
    "version": "1.2.3",
    "containers": [
        {"name": "ts", "image": {"registry": "localhost:5000", "name": "xapps/ts", "tag": "1.2.3"}, "command": ["ts", "-v"]}
    ],
    "livenessProbe": {"httpGet": {"path": "/ric/v1/health/alive", "port": 8080}, "initialDelaySeconds": 5, "periodSeconds": 15},
    "readinessProbe": {"exec": {"command": ["/bin/ready"]}},
    "messaging": {
        "ports": [{"name": "rmr-data", "container": "ts", "port": 4560, "rxMessages": ["RIC_SUB_RESP"], "policies": [20008]}]
    },
    "metrics": [{"objectName": "Ts", "objectInstance": "a", "name": "n", "type": "counter", "description": "requests"}],
    "controls": {"active": True},
}


def changed(**values):
    return {**STANDARD, **values}


def test_the_standards_descriptor():
    (xapp,) = unfold(STANDARD)
    assert (xapp.name, xapp.version, xapp.module, xapp.subscriptions) == ("traffic-steering", "1.2.3", "", 1)
    assert (xapp.image, xapp.command) == ("localhost:5000/xapps/ts:1.2.3", ("ts", "-v"))


@pytest.mark.parametrize("registry", ["", "nexus.o-ran.org:10002", "127.0.0.1:5000", "localhost", "[::1]:5000"])
def test_any_registry(registry):
    container = {**STANDARD["containers"][0], "image": {"registry": registry, "name": "ts", "tag": "1"}}
    (xapp,) = unfold(changed(containers=[container]))
    assert xapp.image == (f"{registry}/ts:1" if registry else "ts:1")


def test_every_xapp_of_the_repository_unfolds():
    found = {}
    for path in Path("xapps").glob("*/xapp.yaml"):
        found |= {xapp.name: xapp for xapp in unfold(yaml.safe_load(path.read_text()))}
    assert {"routing-video", "routing-voip", "slicing-du-5", "critic", "template"} <= set(found)
    assert found["routing-video"].env["RICITY_SERVICE"] == "video"
    assert found["slicing-du-5"].env["RICITY_DU"] == "5"
    assert found["template"].subscriptions == 2


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "is not of type 'object'"),
        ({}, "'xapp_name' is a required property"),
        (changed(version="1.2"), "version: '1.2' does not match"),
        (changed(xapp_name="Traffic Steering"), "xapp_name: 'Traffic Steering' does not match"),
        (changed(colour="red"), "'colour' was unexpected"),
        (changed(containers=[]), "containers: "),
        (changed(containers=[{"name": "ts", "image": {"registry": "a b", "name": "ts", "tag": "1"}}]), "registry: 'a b'"),
        (changed(livenessProbe={"httpGet": {"path": "/a"}, "exec": {"command": "b"}}), "livenessProbe: "),
        (changed(env={"PATH": "/"}), "env: 'PATH' does not match"),
        ({"xapp_name": "a", "version": "1.0.0"}, "is not valid under any of the given schemas"),
        (changed(xapp_name="ts-{service}"), "go together"),
        (changed(services=["video"]), "go together"),
        (changed(xapp_name="ts-{service}", dus=2), "go together"),
        (changed(xapp_name="a" * 39 + "{service}", services=["b" * 32]), "at most 64"),
        (changed(resources={"cpus": float("nan")}), "not finite"),
        (changed(env={"RICITY_A": "a\x00"}), "env.RICITY_A"),
    ],
)
def test_what_does_not_fit_is_named(document, said):
    with pytest.raises(MalformedFile) as refused:
        unfold(document)
    assert said in str(refused.value)
