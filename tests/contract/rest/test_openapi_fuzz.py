"""Every REST interface keeps to its OpenAPI document, whatever it is asked, and answers nobody without a token."""

from __future__ import annotations

import asyncio
import os
import re

import httpx
import pytest

from services.common.tokens import Role, create_token
from tests.contract.rest.apps import NAMES, rest_apps
from tests.contract.rest.fuzz import fuzz

LONG_RUN = int(os.environ.get("RICITY_TEST_FUZZ_EXAMPLES", "0"))
"""Examples per operation of a long run, which makes other requests each time; 0: the few that are always the same."""

EXAMPLES = 5
PATHS = {
    "manager": "^/(A1-P|v1/xapps|v1/rollouts|v1/ab|v1/conflicts|ric)",
    "manager-osc": "^/(A1-P/|data-delivery)",  # the rest is as above
    "registry": "^/",
    "console": "^/api/v1/(city|me|policies|xapps|ab|models)",  # the last one, `events`, never ends
}


@pytest.mark.long
@pytest.mark.timeout(LONG_RUN * 30 or 300)
@pytest.mark.parametrize("name", NAMES)
async def test_every_answer_is_one_that_the_openapi_document_tells_of(name, tmp_path):
    async with rest_apps(tmp_path) as apps:
        url = apps.urls[name]
        found = await asyncio.to_thread(fuzz, url, paths=PATHS[name], examples=LONG_RUN or EXAMPLES, thorough=bool(LONG_RUN))
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            document = (await client.get("/openapi.json")).json()
    assert not found.faults, str(found)
    for method, path in _operations(document):
        if re.match(PATHS[name], path):
            statuses = found.statuses[f"{method} {path}"]
            assert statuses - {503}, f"{method} {path} answered nothing but {statuses}"


async def test_no_path_answers_without_a_token(tmp_path):
    tokens = tmp_path / "tokens.json"
    viewer = create_token(tokens, "viewer", Role.VIEWER)
    async with rest_apps(tmp_path, tokens) as apps:
        for name, url in apps.urls.items():
            async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
                document = (await client.get("/openapi.json", headers={"Authorization": f"Bearer {viewer}"})).json()
                asked = [*_operations(document), ("GET", "/openapi.json"), ("GET", "/"), ("GET", "/no-such-path")]
                for method, path in asked:
                    reply = await client.request(method, re.sub(r"\{[^}]*\}", "1", path))
                    assert reply.status_code == 401, (name, method, path, reply.text)
                    assert reply.headers["www-authenticate"]
                    assert reply.headers["content-type"] == "application/problem+json"


def _operations(document):
    return [(method.upper(), path) for path, methods in document["paths"].items() for method in methods]
