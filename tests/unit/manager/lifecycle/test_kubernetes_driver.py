"""The Kubernetes driver as far as that can be told without a cluster; with one: tests/e2e/kubernetes."""

import pytest
import structlog
import yaml

from ric_sim.domain.errors import DriverUnavailable, InvalidInput
from services.common.tls import Transport
from services.manager.lifecycle.descriptor import XappVersion
from services.manager.lifecycle.kubernetes_driver import KubernetesDriver, checked, open_cluster
from services.manager.lifecycle.kubernetes_manifest import KubernetesPlace
from services.manager.lifecycle.model import RolloutPlan
from services.manager.lifecycle.reconciler import Reconciler
from services.manager.lifecycle.ric_view import RicAdmin
from services.manager.lifecycle.rollout import RollingUpgrade
from services.manager.lifecycle.service import Catalogue, Lifecycle
from services.manager.lifecycle.state_file import StateFile
from xapps.sdk.descriptor import XAPPS_FOLDER


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


@pytest.fixture
async def service(nowhere, tmp_path):
    """The operations of a manager with that driver."""
    state = StateFile(tmp_path / "state")
    catalogue, ric = Catalogue(state), RicAdmin("127.0.0.1:1", Transport())
    driver = KubernetesDriver(
        KubernetesPlace("city", "ricity", "ricity:dev"), open_cluster(nowhere), catalogue.version, lambda _name: {}
    )
    upgrade = RollingUpgrade(
        driver, ric, now=lambda: 0.0, settings=lambda _name, _version: {}, subscriptions=lambda _name, _version: 1
    )
    yield Lifecycle(state, catalogue, Reconciler(state, driver, ric, upgrade, log=structlog.get_logger()))
    await driver.close()
    await ric.close()
    state.close()


@pytest.mark.parametrize(
    ("xapp", "name", "what"), [("slicing", "slicing-du-0", "a dApp of the radio network"), ("critic", "critic", "the critic")]
)
def test_dapps_and_the_critic_are_the_charts(service, xapp, name, what):
    document = yaml.safe_load((XAPPS_FOLDER / xapp / "xapp.yaml").read_text())
    assert name in service.onboard(document)
    refusal = f"{name} is {what}, which the driver 'kubernetes' does not run.*docs/upgrade.md"
    with pytest.raises(InvalidInput, match=refusal):
        service.deploy(name, document["version"], 1)
    with pytest.raises(InvalidInput, match=refusal):
        service.upgrade(name, document["version"], RolloutPlan())
    assert service.xapps[name].desired is None
    assert not service.rollouts


def test_xapps_of_the_ric_are_the_managers(service):
    document = yaml.safe_load((XAPPS_FOLDER / "routing" / "xapp.yaml").read_text())
    service.onboard(document)
    assert service.deploy("routing-voip", document["version"], 1).replicas == 1


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
