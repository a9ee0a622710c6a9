"""The REST interface: what it answers, and that every refusal is a problem with a code."""

import httpx
import pytest

from services.registry.routes import PREFIX, create_app
from tests.untrained import untrained_folder

TEAM = "routing-amarl"
VIDEO = "routing-amarl-video"
VERSIONS = f"{PREFIX}/models/{TEAM}/versions"
VIDEOS = f"{PREFIX}/models/{VIDEO}/versions"


@pytest.fixture
async def client(registry):
    transport = httpx.ASGITransport(app=create_app(registry))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
        yield client


def _upload(folder):
    return [("files", (path.name, path.read_bytes())) for path in sorted(folder.glob("*.safetensors"))]


async def test_a_version_from_publication_to_rollback(client, registry, team):
    assert (await client.get(f"{PREFIX}/models")).json() == []
    answer = await client.post(VERSIONS, files=_upload(team(0)), params={"metric": "gos=0.98"})
    assert answer.status_code == 201, answer.text
    first = answer.json()
    assert (first["version"], first["stage"], first["metrics"]) == (1, "staged", {"gos": 0.98})
    again = await client.post(VERSIONS, files=_upload(team(0)))
    assert (again.status_code, again.json()) == (200, first)
    assert (await client.post(VERSIONS, files=_upload(team(1)))).json()["version"] == 2
    for version in (1, 2):
        answer = await client.post(f"{VERSIONS}/{version}/stage", json={"stage": "production"})
        assert answer.json()["stage"] == "production"
    assert (await client.post(f"{PREFIX}/models/{TEAM}/rollback")).json()["version"] == 1
    model = (await client.get(f"{PREFIX}/models/{TEAM}")).json()
    assert [(each["version"], each["stage"]) for each in model["versions"]] == [(1, "production"), (2, "retired")]
    assert (await client.get(f"{VERSIONS}/2")).json() == model["versions"][1]
    assert (await client.get(f"{PREFIX}/verification")).json() == {"ok": True, "problems": []}
    swept = (await client.post(f"{PREFIX}/sweep", json={"keep_retired": 0})).json()
    assert swept["collected"] == ["routing-amarl version 2"]
    assert registry.serving(TEAM).exists()
    assert (await client.get("/ric/v1/health/alive")).text == "alive\n"
    assert (await client.get("/ric/v1/health/ready")).text == "ready\n"


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "code"),
    [
        ("GET", f"{PREFIX}/models/nobody", {}, 404, "not_found"),
        ("GET", f"{VIDEOS}/7", {}, 404, "not_found"),
        ("GET", f"{VIDEOS}/seven", {}, 422, "invalid_input"),
        ("GET", "/nowhere", {}, 404, "http"),
        ("PUT", f"{PREFIX}/models", {}, 405, "http"),
        ("POST", f"{VIDEOS}/1/stage", {"json": {"stage": "retired"}}, 409, "stage_refused"),
        ("POST", f"{VIDEOS}/1/stage", {"json": {"stage": "heaven"}}, 422, "invalid_input"),
        ("POST", f"{VIDEOS}/1/stage", {"json": {"stage": "canary", "more": 1}}, 422, "invalid_input"),
        ("POST", f"{VIDEOS}/1/stage", {"content": b"\xff{"}, 422, "invalid_input"),
        ("POST", f"{PREFIX}/models/{VIDEO}/rollback", {}, 409, "stage_refused"),
        ("POST", VIDEOS, {"files": [("files", ("../../voip.safetensors", b"x"))]}, 400, "invalid_input"),
        ("POST", VIDEOS, {"files": [("files", ("voip.pickle", b"x"))]}, 400, "invalid_input"),
        ("POST", VIDEOS, {"files": [("files", ("video.safetensors", b"x"))]}, 400, "weights_corrupt"),
        ("POST", VIDEOS, {"files": [("files", (f"s{n}.safetensors", b"")) for n in range(33)]}, 413, "oversize_message"),
        ("POST", f"{VIDEOS}?metric=gos", {"files": [("files", ("video.safetensors", b"x"))]}, 400, "invalid_input"),
        ("POST", f"{PREFIX}/models/mine/versions", {"files": [("files", ("video.safetensors", b"x"))]}, 400, "invalid_input"),
        ("POST", f"{PREFIX}/sweep", {"json": {"keep_retired": -1}}, 422, "invalid_input"),
    ],
)
async def test_a_refusal_is_a_problem_and_changes_nothing(method, path, sent, status, code, client, registry, tmp_path):
    registry.publish(VIDEO, untrained_folder(tmp_path / "weights", ["video"]))
    registry.promote(VIDEO, 1)
    index = (registry.root / "index.json").read_bytes()
    answer = await client.request(method, path, **sent)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["status"], problem["code"], problem["instance"]) == (status, code, path.partition("?")[0])
    assert problem["title"]
    assert problem["detail"]
    assert (registry.root / "index.json").read_bytes() == index


async def test_a_damaged_index_is_a_server_error_and_not_ready(client, registry):
    registry.root.mkdir()
    (registry.root / "index.json").write_bytes(b"{")
    for path in (f"{PREFIX}/models", "/ric/v1/health/ready"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (500, "registry_corrupt")
