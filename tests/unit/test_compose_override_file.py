"""docker-compose.override.yml: every part has its own certificate and nobody else's, and every REST interface its tokens."""

from pathlib import Path

import yaml

from services.cli.main import main
from services.console.settings import ConsoleSettings
from services.manager.settings import ManagerSettings
from services.registry.settings import RegistrySettings

ROOT = Path(__file__).resolve().parents[2]
PLAIN = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
TLS = yaml.safe_load((ROOT / "docker-compose.override.yml").read_text())
PARTS = {name: part for name, part in TLS["services"].items() if name != "certs"}
REST = {"manager": ManagerSettings, "registry": RegistrySettings, "console": ConsoleSettings}
ADDRESSES = {"RICITY_RIC", "RICITY_RADIO", "RICITY_GRPC_PORT", "RICITY_HTTP_PORT", "RICITY_REST_PORT"}


def test_every_part_that_talks_to_others_has_a_certificate():
    assert set(PARTS) == {name for name, part in PLAIN["services"].items() if ADDRESSES & set(part.get("environment", ()))}


def test_each_sees_its_own_only(capsys):
    assert main(["certs", "parts"]) == 0
    made = set(capsys.readouterr().out.split())
    for name, part in PARTS.items():
        certificates = [volume for volume in part["volumes"] if volume.startswith("certs")]
        assert certificates == [f"certs-{name}:/tls:ro"]
        assert part["environment"].items() >= {"RICITY_INSECURE": "false", "RICITY_TLS_DIR": "/tls"}.items()
        assert name in made
        if name != "cli":
            assert part["depends_on"] == {"certs": {"condition": "service_completed_successfully"}}


def test_rest_asks_for_tokens():
    for name, settings in REST.items():
        environment = PARTS[name]["environment"]
        assert environment["RICITY_TOKENS_FILE"] == "/tokens/tokens.json"
        assert "tokens:/tokens:ro" in PARTS[name]["volumes"]
        assert set(environment) <= {f"RICITY_{field.upper()}" for field in settings.model_fields}


def test_the_maker_reaches_all_of_them_and_no_network():
    maker = TLS["services"]["certs"]
    assert set(maker["volumes"]) == {"certs:/certs", "tokens:/tokens", *(f"certs-{name}:/certs/{name}" for name in PARTS)}
    assert maker["network_mode"] == "none"
    assert maker["read_only"]
    assert maker["cap_drop"] == ["ALL"]
    assert set(TLS["volumes"]) == {"certs", "tokens", *(f"certs-{name}" for name in PARTS)}
