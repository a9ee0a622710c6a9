"""docker-compose.yml and the files it mounts: what runs, how it is contained, and that everything is watched."""

import re
from pathlib import Path

import pytest
import yaml

from services.nodes.settings import NodesSettings
from services.ric.settings import RicSettings
from xapps.routing.settings import RoutingSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
PARTS = COMPOSE["services"]
XAPPS = {name: part for name, part in PARTS.items() if name.startswith("routing-")}
OURS = {name: part for name, part in PARTS.items() if part["image"] == "ricity:dev" and name != "cli"}
ONCE = ("cli", "trainer")
"""Parts that are started for one command."""
OFFICIAL_IMAGES = {"redis:7-alpine", "prom/prometheus:v2.42.0", "grafana/grafana:11.1.0"}
SETTINGS = {"ric": RicSettings, "nodes": NodesSettings, **dict.fromkeys(XAPPS, RoutingSettings)}
STATUS_PORT = 9100


def test_every_service_has_a_routing_xapp_of_its_own():
    descriptor = yaml.safe_load((ROOT / "xapps" / "routing" / "xapp.yaml").read_text())
    assert {part["environment"]["RICITY_SERVICE"] for part in XAPPS.values()} == set(descriptor["services"])
    for name, part in XAPPS.items():
        assert name == descriptor["xapp_name"].format(service=part["environment"]["RICITY_SERVICE"])
        assert part["command"] == ["python", "-m", descriptor["module"]]
        limits = part["deploy"]["resources"]["limits"]
        assert float(limits["cpus"]) == descriptor["resources"]["cpus"]
        assert limits["memory"] == f"{descriptor['resources']['memory_mib']}M"


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
    assert {part["image"] for part in PARTS.values()} == OFFICIAL_IMAGES | {"ricity:dev", "ricity-trainer:dev"}
    built = {name: part["build"] for name, part in PARTS.items() if "build" in part}
    assert built == {"ric": ".", "trainer": {"context": ".", "target": "trainer"}}


def test_the_start_is_gated_by_health():
    assert PARTS["ric"]["depends_on"] == {"store": {"condition": "service_healthy"}}
    for name in (*XAPPS, "nodes"):
        assert PARTS[name]["depends_on"] == {"ric": {"condition": "service_healthy"}}


def test_the_command_line_never_touches_what_it_looks_at():
    assert "depends_on" not in PARTS["cli"]


def test_ports_are_bound_to_this_machine_and_can_be_moved():
    for part in PARTS.values():
        for port in part.get("ports", ()):
            assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+", port)


def test_only_the_ric_and_the_command_line_reach_the_store():
    assert {name for name, part in PARTS.items() if "state" in part.get("networks", ())} == {"store", "ric", "cli"}
    assert PARTS["store"]["networks"] == ["state"]


def test_prometheus_watches_every_part():
    config = yaml.safe_load((ROOT / "charts" / "prometheus" / "prometheus.yml").read_text())
    (discovery,) = next(job for job in config["scrape_configs"] if job["job_name"] == "ricity")["dns_sd_configs"]
    assert set(discovery["names"]) == set(OURS)
    assert discovery["port"] == STATUS_PORT
    assert {part["environment"]["RICITY_STATUS_PORT"] for part in OURS.values()} == {STATUS_PORT}


def test_mounted_files_exist():
    for part in PARTS.values():
        for volume in part.get("volumes", ()):
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
