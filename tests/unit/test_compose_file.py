"""docker-compose.yml and the files it mounts: what runs, how it is contained, and that everything is watched."""

import re
from pathlib import Path

import pytest
import yaml

from services.auditor.settings import AuditorSettings
from services.console.settings import ConsoleSettings
from services.manager.settings import ManagerSettings
from services.nodes.settings import NodesSettings
from services.radio.settings import RadioSettings
from services.registry.settings import RegistrySettings
from services.ric.settings import RicSettings
from xapps.critic.settings import CriticSettings
from xapps.routing.settings import RoutingSettings
from xapps.sdk.descriptor import find_descriptors
from xapps.slicing.settings import SlicingSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PARTS = COMPOSE["services"]
XAPPS = {name: part for name, part in PARTS.items() if name.startswith("routing-")}
DAPPS = {name: part for name, part in PARTS.items() if name.startswith("slicing-")}
OUR_IMAGES = {"ricity:dev", "ricity-learner:dev", "ricity-trainer:dev"}
ONCE = ("cli", "trainer")
"""Parts that are started for one command."""
OURS = {name: part for name, part in PARTS.items() if part["image"] in OUR_IMAGES and name not in ONCE}
OFFICIAL_IMAGES = {"redis:7-alpine", "prom/prometheus:v2.42.0", "grafana/grafana:11.1.0"}
SETTINGS = {
    "ric": RicSettings,
    "nodes": NodesSettings,
    "radio": RadioSettings,
    "critic": CriticSettings,
    "auditor": AuditorSettings,
    "manager": ManagerSettings,
    "registry": RegistrySettings,
    "console": ConsoleSettings,
    **dict.fromkeys(XAPPS, RoutingSettings),
    **dict.fromkeys(DAPPS, SlicingSettings),
}
STATUS_PORT = 9100
ENGINE_SOCKET = ":/var/run/docker.sock"


def test_every_service_has_a_routing_xapp_of_its_own():
    descriptor = yaml.safe_load((ROOT / "xapps" / "routing" / "xapp.yaml").read_text())
    assert {part["environment"]["RICITY_SERVICE"] for part in XAPPS.values()} == set(descriptor["services"])
    for name, part in XAPPS.items():
        assert name == descriptor["xapp_name"].format(service=part["environment"]["RICITY_SERVICE"])
        assert part["command"] == ["python", "-m", descriptor["module"]]
        limits = part["deploy"]["resources"]["limits"]
        assert float(limits["cpus"]) == descriptor["resources"]["cpus"]
        assert limits["memory"] == f"{descriptor['resources']['memory_mib']}M"


def test_the_slicing_parts_are_as_their_descriptors_say():
    instances = [each for name in ("slicing", "critic") for each in find_descriptors()[name].instances()]
    assert {each.xapp_name for each in instances} == {*DAPPS, "critic"}
    for instance in instances:
        part = PARTS[instance.xapp_name]
        assert part["command"] == ["python", "-m", instance.module]
        assert instance.env.items() <= {name: str(value) for name, value in part["environment"].items()}.items()
        limits = part["deploy"]["resources"]["limits"]
        assert float(limits["cpus"]) == instance.resources.cpus
        assert limits["memory"] in {f"{instance.resources.memory_mib}M", f"{instance.resources.memory_mib / 1024:g}G"}


@pytest.mark.parametrize("name", OURS)
def test_a_part_is_given_only_settings_that_it_knows(name):
    known = {f"RICITY_{field.upper()}" for field in SETTINGS[name].model_fields}
    assert set(OURS[name]["environment"]) <= known


@pytest.mark.parametrize("name", PARTS)
def test_a_container_has_few_rights_and_bounded_means(name):
    part = PARTS[name]
    assert part["read_only"]
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    assert part["logging"]["options"]["max-size"]
    assert not {"container_name", "privileged", "cap_add", "network_mode", "ports_host", "links"} & set(part)
    if name != "cli":
        assert set(part["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    if name not in ONCE:
        assert part["restart"] == "unless-stopped"
        assert part["healthcheck"]["test"]


def test_images_are_the_official_ones_and_ours_is_built_once():
    assert {part["image"] for part in PARTS.values()} == OFFICIAL_IMAGES | OUR_IMAGES
    built = {name: part["build"] for name, part in PARTS.items() if "build" in part}
    assert {name: None if build == "." else build["target"] for name, build in built.items()} == {
        "ric": None,
        "critic": "learner",
        "trainer": "trainer",
    }
    assert {name for name, part in PARTS.items() if part["image"] == "ricity-learner:dev"} == {"critic"}


def test_the_start_is_gated_by_health():
    assert PARTS["ric"]["depends_on"] == {"store": {"condition": "service_healthy"}}
    for name in (*XAPPS, "nodes", "radio"):
        assert PARTS[name]["depends_on"] == {"ric": {"condition": "service_healthy"}}
    for name in DAPPS:
        assert PARTS[name]["depends_on"] == {"radio": {"condition": "service_healthy"}}


def test_every_cell_has_a_dapp_of_its_own_and_all_have_one_critic():
    n_dus = PARTS["radio"]["environment"]["RICITY_DUS"]
    assert {part["environment"]["RICITY_DU"] for part in DAPPS.values()} == set(range(n_dus))
    assert PARTS["critic"]["environment"]["RICITY_DUS"] == n_dus
    for name, part in DAPPS.items():
        assert name == f"slicing-du-{part['environment']['RICITY_DU']}"
        assert "depends_on" not in PARTS["critic"], "the dApps decide with or without it"


def test_the_command_line_never_touches_what_it_looks_at():
    assert "depends_on" not in PARTS["cli"]


def test_ports_are_bound_to_this_machine_and_can_be_moved():
    for part in PARTS.values():
        for port in part.get("ports", ()):
            assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+", port)


def test_only_the_ric_and_the_audits_reach_the_store():
    assert {name for name, part in PARTS.items() if "state" in part.get("networks", ())} == {"store", "ric", "auditor", "cli"}
    assert PARTS["store"]["networks"] == ["state"]


def test_prometheus_watches_every_part():
    config = yaml.safe_load((ROOT / "charts" / "prometheus" / "prometheus.yml").read_text())
    (discovery,) = next(job for job in config["scrape_configs"] if job["job_name"] == "ricity")["dns_sd_configs"]
    assert set(discovery["names"]) == set(OURS)
    assert discovery["port"] == STATUS_PORT
    assert {part["environment"]["RICITY_STATUS_PORT"] for part in OURS.values()} == {STATUS_PORT}


def test_mounted_files_exist():
    for name, part in PARTS.items():
        for volume in part.get("volumes", ()):
            if volume.endswith(ENGINE_SOCKET):
                assert name == "manager"
                continue
            source = volume.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_image_holds_what_runs_and_nothing_else():
    kept = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / name).exists() for name in kept)
    assert not {"tests", "docs", ".git", ".venv", "runs"} & set(kept)
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert dockerfile.startswith("# One image")
    assert "# syntax=" not in dockerfile
    assert re.search(r"^USER ricity$", dockerfile, flags=re.MULTILINE)
