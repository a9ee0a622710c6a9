"""docker-compose.override.yml: every part has its own certificate and nobody else's, and every REST interface its tokens."""

from pathlib import Path

import yaml

from services.cli.main import main
from services.common.certificates import STATUS_NAME
from services.console.settings import ConsoleSettings
from services.manager.settings import ManagerSettings
from services.registry.settings import RegistrySettings

ROOT = Path(__file__).resolve().parents[2]
PLAIN = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
TLS = yaml.safe_load((ROOT / "docker-compose.override.yml").read_text())
PARTS = {name: part for name, part in TLS["services"].items() if name != "certs"}
REST = {"manager": ManagerSettings, "registry": RegistrySettings, "console": ConsoleSettings}
FOREIGN = {"store", "prometheus", "grafana"}
OURS = PARTS.keys() - FOREIGN
OUR_GROUP = "10001"
"""That of the image's user, who makes the certificates."""


def test_every_part_has_a_certificate():
    assert set(PARTS) == set(PLAIN["services"]) - {"trainer"}


def test_each_sees_its_own_only(capsys):
    assert main(["certs", "parts"]) == 0
    made = set(capsys.readouterr().out.split())
    for name, part in PARTS.items():
        certificates = [volume for volume in part["volumes"] if volume.startswith("certs-")]
        assert certificates == [f"certs-{name}:/tls:ro"]
        assert name in made
        if name in OURS:
            assert part["environment"].items() >= {"RICITY_INSECURE": "false", "RICITY_TLS_DIR": "/tls"}.items()
        else:
            assert part["group_add"] == [OUR_GROUP]
        if name != "cli":
            assert part["depends_on"] == {"certs": {"condition": "service_completed_successfully"}}


def test_programs_of_others_read_their_keys_by_the_group_of_our_user():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"useradd --uid {OUR_GROUP} " in dockerfile
    assert "xargs install -d -o ricity -g ricity" in dockerfile


def test_the_store_has_one_port_and_it_wants_certificates():
    plain, with_tls = PLAIN["services"]["store"]["command"], PARTS["store"]["command"]
    assert with_tls[: len(plain)] == plain, "what it keeps is the same"
    added = dict(zip(with_tls[len(plain) :: 2], with_tls[len(plain) + 1 :: 2], strict=True))
    assert (added["--port"], added["--tls-port"], added["--tls-auth-clients"]) == ("0", "6379", "yes")
    for name in ("ric", "auditor"):
        assert PARTS[name]["environment"]["RICITY_STORE_URL"].startswith("rediss://store:")


def test_prometheus_watches_the_same_with_its_certificate():
    plain, with_tls = (
        yaml.safe_load((ROOT / "charts" / "prometheus" / f"prometheus{kind}.yml").read_text()) for kind in ("", ".tls")
    )
    for job in with_tls["scrape_configs"]:
        assert job.pop("scheme") == "https"
        wanted = STATUS_NAME if job["job_name"] == "ricity" else "prometheus"
        own = {"ca_file": "/tls/ca.crt", "cert_file": "/tls/tls.crt", "key_file": "/tls/tls.key"}
        assert job.pop("tls_config") == {**own, "server_name": wanted}
    assert with_tls == plain
    web = yaml.safe_load((ROOT / "charts" / "prometheus" / "web.tls.yml").read_text())
    assert web["tls_server_config"]["client_auth_type"] == "RequireAndVerifyClientCert"
    assert set(PLAIN["services"]["prometheus"]["command"]) < set(PARTS["prometheus"]["command"])


def test_grafana_asks_its_users_and_shows_prometheus_a_certificate():
    told = PARTS["grafana"]["environment"]
    assert (told["GF_AUTH_ANONYMOUS_ENABLED"], told["GF_AUTH_DISABLE_LOGIN_FORM"]) == ("false", "false")
    assert told["GF_SECURITY_ADMIN_PASSWORD__FILE"].startswith("/tls/")
    assert told["GF_METRICS_ENABLED"] == "false"
    files = (ROOT / "charts" / "grafana" / name for name in ("provisioning/datasources/prometheus.yml", "datasource.tls.yml"))
    (plain,), (with_tls,) = (yaml.safe_load(file.read_text())["datasources"] for file in files)
    assert with_tls["url"] == plain["url"].replace("http://", "https://")
    assert set(with_tls["secureJsonData"].values()) == {f"$__file{{/tls/{name}}}" for name in ("ca.crt", "tls.crt", "tls.key")}


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
