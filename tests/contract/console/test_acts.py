"""What is done from the page, over its own routes, with a real manager and a real registry behind."""

import json

import httpx
import pytest
from structlog.testing import capture_logs

from services.common.tokens import Role, create_token
from tests.contract.rest.apps import MODEL, rest_apps

NAME = "routing-video"
DESCRIPTOR = {"xapp_name": NAME, "version": "1.0.0", "module": "xapps.routing.main"}
YAML = {"Content-Type": "application/yaml"}


@pytest.fixture
async def apps(tmp_path):
    async with rest_apps(tmp_path) as running:
        yield running


@pytest.fixture
async def page(apps):
    async with httpx.AsyncClient(base_url=apps.urls["console"], trust_env=False, timeout=30) as client:
        yield client


@pytest.fixture
async def manager(apps):
    async with httpx.AsyncClient(base_url=apps.urls["manager"], trust_env=False, timeout=30) as client:
        yield client


async def catalogued(manager, name=NAME):
    (found,) = [each for each in (await manager.get("/v1/xapps")).json()["xapps"] if each["name"] == name]
    return found


async def refused(reply, status):
    problem = (await reply).json()
    assert problem["status"] == status, problem
    return problem


async def test_an_xapp_is_onboarded_deployed_configured_upgraded_and_rolled_back(page, manager):
    for version in ("1.0.0", "2.0.0"):
        reply = await page.post("/api/v1/xapps", json={**DESCRIPTOR, "version": version})
        assert (reply.status_code, reply.json()) == (201, {"xapps": [NAME], "version": version})
    assert (await page.post(f"/api/v1/xapps/{NAME}/deploy", json={"version": "1.0.0"})).status_code == 200
    configured = await page.put(f"/api/v1/xapps/{NAME}/config", json={"RICITY_POLICY": "cspf"})
    assert configured.json()["config_generation"] == 2
    assert (await catalogued(manager))["desired"]["config"] == {"RICITY_POLICY": "cspf"}
    upgrade = await page.post(f"/api/v1/xapps/{NAME}/upgrade", json={"to": "2.0.0", "weights_percent": [5, 100]})
    assert upgrade.status_code == 202
    rollback = await page.post(f"/api/v1/xapps/{NAME}/rollback")
    assert (rollback.status_code, rollback.json()["id"], rollback.json()["abort_asked"]) == (202, upgrade.json()["id"], True)


async def test_an_xapp_that_runs_nowhere_is_forgotten(page, manager):
    await page.post("/api/v1/xapps", json=DESCRIPTOR)
    assert (await page.delete(f"/api/v1/xapps/{NAME}")).status_code == 204
    assert (await page.delete("/api/v1/xapps/never-there")).status_code == 404


async def test_a_descriptor_is_taken_as_yaml_too(page, manager):
    text = "xapp_name: routing-{service}\nversion: 1.2.3\nservices: [ar, voip]\nmodule: xapps.routing.main\n"
    reply = await page.post("/api/v1/xapps", content=text, headers=YAML)
    assert reply.json() == {"xapps": ["routing-ar", "routing-voip"], "version": "1.2.3"}
    assert (await catalogued(manager, "routing-voip"))["descriptor_version"] == "1.2.3"


async def test_what_is_wrong_with_a_descriptor_is_said(page):
    for text, status, said in (
        ("xapp_name: [", 400, "line 1, column 13"),
        ("xapp_name: routing-video\nversion: latest\nmodule: xapps.routing.main\n", 400, "version: 'latest' does not match"),
        ("x: " + "y" * 70_000, 413, "65536 bytes"),
    ):
        problem = await refused(page.post("/api/v1/xapps", content=text, headers=YAML), status)
        assert said in problem["detail"]


async def test_an_error_of_the_manager_is_passed_on_with_its_type(page):
    problem = await refused(page.post(f"/api/v1/xapps/{NAME}/deploy", json={"version": "1.0.0"}), 404)
    assert problem["type"] == "urn:ricity:error:not_found"
    assert "onboard its descriptor" in problem["detail"]


async def test_an_ab_test_that_cannot_start_says_why_and_has_no_figure(page):
    test = {"xapp": NAME, "baseline": "1.0.0", "candidate": "1.0.0", "candidate_percent": 5.0}
    assert "1.0.0" in (await refused(page.post("/api/v1/ab", json=test), 400))["detail"]
    await refused(page.post("/api/v1/ab/ab-20260101-000000-abcd/stop"), 404)
    await refused(page.get("/api/v1/ab/ab-20260101-000000-abcd/evidence.svg"), 404)


async def test_every_act_is_in_the_log_with_what_became_of_it(page):
    path = "/api/v1/policies/ORAN_TrafficSteeringPreference/avoid"
    with capture_logs() as logged:
        await page.put(path, json={})
        await page.delete(path)
        await page.delete("/api/v1/xapps/nobody")
    acts = [line for line in logged if line["event"] == "console.act"]
    assert [(act["method"], act["path"]) for act in acts] == [("PUT", path), ("DELETE", path), ("DELETE", "/api/v1/xapps/nobody")]
    assert all("status" in act or "error" in act for act in acts)


async def test_a_model_is_promoted_and_brought_back(page):
    for version in (1, 2):
        moved = await page.post(f"/api/v1/models/{MODEL}/versions/{version}/stage", json={"stage": "production"})
        assert (moved.status_code, moved.json()["stage"]) == (200, "production")
    back = await page.post(f"/api/v1/models/{MODEL}/rollback")
    assert (back.status_code, back.json()["version"]) == (200, 1)
    problem = await refused(page.post(f"/api/v1/models/{MODEL}/rollback"), 409)
    assert problem["code"] == "stage_refused"


async def test_the_page_is_told_of_the_models_after_a_change(page):
    await page.post(f"/api/v1/models/{MODEL}/versions/2/stage", json={"stage": "canary"})
    async with page.stream("GET", "/api/v1/events") as answer:
        async for line in answer.aiter_lines():
            section = json.loads(line.removeprefix("data: ")).get("models") if line.startswith("data: ") else None
            if section and [each["stage"] for each in section["models"][0]["versions"]] == ["canary", "staged"]:
                break
    assert section["offered"]
    assert section["models"][0]["name"] == MODEL


async def test_no_name_leads_to_another_path(page):
    for path in ("xapps/%2e%2e/deploy", "xapps/%2e/upgrade", "models/%2e%2e/rollback", "ab/%2e%2e/stop"):
        await refused(page.post(f"/api/v1/{path}", json={"version": "1.0.0"}), 400)


async def test_viewers_look_and_operators_act(tmp_path):
    tokens, console_token = tmp_path / "tokens.json", tmp_path / "console.token"
    viewer, operator = (create_token(tokens, role.value, role) for role in (Role.VIEWER, Role.OPERATOR))
    console_token.write_text(create_token(tokens, "console", Role.OPERATOR))
    async with rest_apps(tmp_path, tokens, console_token) as apps:
        for token, may_act in ((viewer, False), (operator, True)):
            auth = httpx.BasicAuth("any", token)
            async with httpx.AsyncClient(base_url=apps.urls["console"], trust_env=False, auth=auth) as client:
                me = (await client.get("/api/v1/me")).json()
                assert (me["name"], me["may_act"]) == (me["role"], may_act)
                assert ("viewer" in me["why_not"]) is not may_act
                reply = await client.post("/api/v1/xapps", json=DESCRIPTOR)
                assert reply.status_code == (201 if may_act else 403), reply.text
