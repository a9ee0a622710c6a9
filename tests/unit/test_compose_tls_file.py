"""docker-compose.tls.yml: every part has its own certificate and nobody else's."""

from pathlib import Path

import yaml

from services.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
PLAIN = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
TLS = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text())
PARTS = {name: part for name, part in TLS["services"].items() if name != "certs"}
TALKING = {
    name
    for name, part in PLAIN["services"].items()
    if {"RICITY_RIC", "RICITY_RADIO", "RICITY_GRPC_PORT", "RICITY_HTTP_PORT"} & set(part.get("environment", ()))
    and name != "trainer"
}


def test_every_part_that_talks_to_others_has_a_certificate():
    assert set(PARTS) == TALKING


def test_each_sees_its_own_only(capsys):
    assert main(["certs", "parts"]) == 0
    made = set(capsys.readouterr().out.split())
    for name, part in PARTS.items():
        assert part["volumes"] == [f"certs-{name}:/tls:ro"]
        assert part["environment"] == {"RICITY_INSECURE": "false", "RICITY_TLS_DIR": "/tls"}
        assert name in made
        if name != "cli":
            assert part["depends_on"] == {"certs": {"condition": "service_completed_successfully"}}


def test_the_maker_reaches_all_of_them_and_no_network():
    maker = TLS["services"]["certs"]
    assert set(maker["volumes"]) == {"certs:/certs", *(f"certs-{name}:/certs/{name}" for name in PARTS)}
    assert maker["network_mode"] == "none"
    assert maker["read_only"]
    assert maker["cap_drop"] == ["ALL"]
    assert set(TLS["volumes"]) == {"certs", *(f"certs-{name}" for name in PARTS)}
