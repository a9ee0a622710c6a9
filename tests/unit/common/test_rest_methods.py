import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI

from services.common.rest_problems import install_problems


@pytest.fixture
async def client():
    app, router = FastAPI(), APIRouter(prefix="/things")

    async def answer() -> str:
        return "yes"

    for path, method in (("/list", "GET"), ("/{name}", "GET"), ("/{name}", "PUT"), ("/{name}", "DELETE")):
        router.add_api_route(path, answer, methods=[method])
    app.include_router(router)
    install_problems(app, log=structlog.get_logger())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        yield client


@pytest.mark.parametrize(("path", "allowed"), [("/things/a", "DELETE, GET, PUT"), ("/things/list", "GET")])
async def test_a_method_that_a_path_does_not_take_is_answered_with_those_it_takes(client, path, allowed):
    reply = await client.request("PATCH", path)
    assert (reply.status_code, reply.headers["allow"]) == (405, allowed)
    assert reply.headers["content-type"] == "application/problem+json"
