"""The Kubernetes driver as far as that can be told without a cluster; with one: tests/e2e/kubernetes."""

import pytest
import yaml

from ric_sim.domain.errors import DriverUnavailable, InvalidInput
from services.manager.lifecycle.descriptor import XappVersion
from services.manager.lifecycle.kubernetes_driver import KubernetesDriver, checked, open_cluster
from services.manager.lifecycle.kubernetes_manifest import KubernetesPlace


@pytest.fixture
def nowhere(tmp_path):
    """A kubeconfig of a cluster that is not there: port 9 of this machine discards nothing, it refuses."""
    path = tmp_path / "config"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(document))
    return path


async def test_an_api_server_that_is_gone(nowhere):
    place = KubernetesPlace("city", "ricity", "ricity:dev")
    driver = KubernetesDriver(
        place, open_cluster(nowhere), lambda name, version: XappVersion(name, version, module="xapps.a"), lambda _name: {}
    )
    for call in (driver.workloads(), driver.start("a", "1.0.0", {}), driver.stop("a-1"), driver.stop("a/1")):
        with pytest.raises(DriverUnavailable, match=r"127\.0\.0\.1:9 does not answer"):
            await call
    await driver.close()


@pytest.mark.parametrize("status", [0, 403, 520])
def test_any_refusal_is_one_to_ask_again_about(status):
    with pytest.raises(DriverUnavailable, match=f"status {status}"):
        checked(status, {})


def test_without_a_way_to_a_cluster_it_says_which_setting_is_missing(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(InvalidInput, match="RICITY_KUBERNETES_CONFIG"):
        open_cluster(None)
    with pytest.raises(InvalidInput, match="RICITY_KUBERNETES_CONFIG"):
        open_cluster(tmp_path / "none")
