"""The Kubernetes driver at a real API server with the real controllers; no node, so pods are made but run nothing."""

import asyncio

import pytest

from ric_sim.domain.errors import DeploymentFailed, DriverUnavailable
from services.manager.lifecycle.descriptor import XappVersion
from services.manager.lifecycle.driver import WorkloadState
from services.manager.lifecycle.kubernetes_driver import KubernetesDriver, open_cluster
from services.manager.lifecycle.kubernetes_manifest import KubernetesPlace
from tests.e2e.kubernetes.cluster import eventually
from tests.unit.charts.rendering import of_kind, render

NAMESPACE, RELEASE = "city", "ricity"
NAME, OLD, NEW = "routing-video", "0.1.0", "0.2.0+learned"
SETTINGS = {"RICITY_CONFIG_GENERATION": "1", "RICITY_REPLANS": "3"}
WITHIN_S = 30.0


def versions(name, version):
    env = {"RICITY_SERVICE": "video"} if version != "0.9.0" else {"RICITY_BAD": "x" * 2_000_000}
    return XappVersion(name, version, module="xapps.routing.main", env=env, document={"services": ["video"]})


async def until(driver, condition):
    """The first look for which the condition holds."""
    async with asyncio.timeout(WITHIN_S):
        while not condition(seen := await driver.workloads()):
            await asyncio.sleep(0.1)
    return seen


def have_pods(count):
    return lambda seen: len(seen) == count and not any("/" in each.instance_id for each in seen)


@pytest.fixture(scope="module")
def release(cluster):
    """The chart's objects for the manager and for one xApp, as `helm install` would leave them."""
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    objects = render()
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        for each in of_kind(objects, kind).values():
            cluster.create(each)
    cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": NAMESPACE}})
    cluster.create(of_kind(objects, "Deployment")["manager"])
    return cluster


@pytest.fixture
def chart_xapp(release):
    made = release.create(of_kind(render(), "Deployment")[NAME])
    yield made
    release.call("DELETE", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{made['metadata']['name']}")
    eventually(lambda: not pods_of(release, made["metadata"]["name"]), what="the end of the chart's pods")


@pytest.fixture(scope="module")
def account_token(release):
    """What the manager's pod is given: the token of its ServiceAccount, with the rights of the chart's Role and no others."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/ricity-manager/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}}
    return release.call("POST", path, asked)["status"]["token"]


@pytest.fixture
async def driver(release, account_token):
    place = KubernetesPlace(NAMESPACE, RELEASE, "ricity:0.1.0", "ricity-tls-{xapp}", owner="ricity-manager")
    opened = KubernetesDriver(
        place, open_cluster(release.kubeconfig(token=account_token)), versions, lambda _name: {"RICITY_RIC": "ricity-ric:50051"}
    )
    yield opened
    for each in reversed(await opened.workloads()):  # as controllers before 1.22 choose, too
        await opened.stop(each.instance_id)
    await opened.close()


def pods_of(cluster, deployment):
    return cluster.listed(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=ricity.deployment%3D{deployment}")


def deployments(cluster):
    found = cluster.listed(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments?labelSelector=ricity.xapp")
    return {each["metadata"]["name"]: each for each in found}


async def test_instances_are_pods_of_one_deployment_per_version_and_configuration(driver, release):
    assert await driver.workloads() == []
    first = await driver.start(NAME, NEW, SETTINGS)
    assert [each.instance_id for each in await driver.workloads()] in ([first], [pod_name(release, first)])
    await driver.start(NAME, NEW, SETTINGS)
    await driver.start(NAME, NEW, {"RICITY_CONFIG_GENERATION": "2"})
    seen = await until(driver, have_pods(3))
    assert {(each.name, each.version, each.state) for each in seen} == {(NAME, NEW, WorkloadState.RUNNING)}
    assert [each.settings["RICITY_CONFIG_GENERATION"] for each in seen] == ["1", "1", "2"]
    assert sorted(each["spec"]["replicas"] for each in deployments(release).values()) == [1, 2]


def pod_name(cluster, instance_id):
    names = [pod["metadata"]["name"] for pod in pods_of(cluster, instance_id.partition("/")[0])]
    return names[0] if names else None


async def test_the_api_server_keeps_every_field_that_it_is_given(driver, release):
    await driver.start(NAME, NEW, SETTINGS)
    (kept,) = deployments(release).values()
    assert kept["metadata"]["labels"]["ricity.version"] == "0.2.0_learned"
    assert kept["metadata"]["labels"]["ricity.generation"] == "1"
    assert kept["metadata"]["ownerReferences"][0]["name"] == "ricity-manager"
    spec = kept["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {each["name"]: each.get("value") for each in container["env"]} == {
        "RICITY_INSTANCE_ID": None,
        "RICITY_HOST": "0.0.0.0",
        "RICITY_STATUS_PORT": "9100",
        "RICITY_TLS_DIR": "/etc/ricity/identity",
        "RICITY_RIC": "ricity-ric:50051",
        "RICITY_SERVICE": "video",
        "RICITY_XAPP_VERSION": NEW,
        **SETTINGS,
    }


async def test_stop_takes_this_instance_and_with_the_last_one_the_deployment(driver, release):
    await driver.start(NAME, NEW, SETTINGS)
    await driver.start(NAME, NEW, SETTINGS)
    first, second = await until(driver, have_pods(2))
    await driver.stop(second.instance_id)
    (left,) = await until(driver, have_pods(1))  # controllers before 1.22 may choose the first and make another for it
    assert left.instance_id != second.instance_id
    await driver.stop(left.instance_id)
    assert await driver.workloads() == []
    assert deployments(release) == {}
    await driver.stop(first.instance_id)


async def test_an_instance_that_has_no_pod_yet_can_be_stopped(driver, release):
    await driver.stop(await driver.start(NAME, NEW, SETTINGS))
    assert await driver.workloads() == []


async def test_a_manager_that_starts_anew_finds_what_runs(driver, release, account_token):
    await driver.start(NAME, NEW, SETTINGS)
    seen = await until(driver, have_pods(1))
    other, stranger = (
        KubernetesDriver(
            KubernetesPlace(NAMESPACE, name, "i"),
            open_cluster(release.kubeconfig(token=account_token)),
            versions,
            lambda _name: {},
        )
        for name in (RELEASE, "south")
    )
    assert await other.workloads() == seen
    assert await stranger.workloads() == []
    await other.close()
    await stranger.close()


async def test_the_charts_deployment_is_taken_over_and_left_to_helm(driver, release, chart_xapp):
    (composed,) = await until(driver, have_pods(1))
    assert (composed.name, composed.version, composed.settings) == (NAME, OLD, {})
    await driver.start(NAME, NEW, SETTINGS)
    assert [each.version for each in await until(driver, have_pods(2))] == [OLD, NEW]
    assert len(pods_of(release, chart_xapp["metadata"]["name"])) == 1, "the two Deployments do not take each other's pods"
    await driver.stop(composed.instance_id)
    assert [each.version for each in await driver.workloads()] == [NEW]
    assert deployments(release)[chart_xapp["metadata"]["name"]]["spec"]["replicas"] == 0


async def test_the_end_of_the_owner_is_the_end_of_its_xapps(driver, release):
    await driver.start(NAME, NEW, SETTINGS)
    manager = of_kind(render(), "Deployment")["manager"]
    release.call("DELETE", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/ricity-manager")
    await until(driver, lambda seen: seen == [])
    release.create(manager)


async def test_what_a_quota_refuses_shows_as_ended_with_the_reason(driver, release):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": NAMESPACE}}
    release.create({**quota, "spec": {"hard": {"limits.memory": "1Mi"}}})
    path = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/q"
    eventually(lambda: release.call("GET", path).get("status", {}).get("used"), what="the quota")
    await driver.start(NAME, NEW, SETTINGS)
    (refused,) = await until(driver, lambda seen: seen and seen[0].state == WorkloadState.EXITED)
    assert "exceeded quota" in refused.detail
    await driver.stop(refused.instance_id)
    release.call("DELETE", path)


async def test_what_the_api_server_calls_wrong_is_a_failed_deployment(driver):
    with pytest.raises(DeploymentFailed, match="must be no more than 63 characters"):
        await driver.start("x" * 64, NEW, SETTINGS)


async def test_a_token_without_rights_says_what_is_missing(release):
    token = release.call(
        "POST",
        f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default/token",
        {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": []}},
    )["status"]["token"]
    place = KubernetesPlace(NAMESPACE, RELEASE, "i")
    stranger = KubernetesDriver(place, open_cluster(release.kubeconfig(token=token[::-1])), versions, lambda _name: {})
    with pytest.raises(DriverUnavailable, match="status 401"):
        await stranger.workloads()
    await stranger.close()
    poor = KubernetesDriver(place, open_cluster(release.kubeconfig(token=token)), versions, lambda _name: {})
    with pytest.raises(DriverUnavailable, match=r"status 403.*the Role that"):
        await poor.workloads()
    await poor.close()


async def test_an_api_server_that_dies_and_comes_back(driver, release):
    await driver.start(NAME, NEW, SETTINGS)
    before = await until(driver, have_pods(1))
    release.end("kube-apiserver")
    for call in (driver.workloads(), driver.start(NAME, NEW, SETTINGS), driver.stop(before[0].instance_id)):
        with pytest.raises(DriverUnavailable, match="does not answer"):
            await call
    await asyncio.to_thread(release.start_api_server)
    assert await driver.workloads() == before
