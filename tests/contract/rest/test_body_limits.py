"""Every operation of every REST interface that takes a body refuses one without end."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from urllib.parse import urlsplit

import httpx

from tests.contract.rest.apps import NAMES, rest_apps

FAR_TOO_MANY_BYTES = 1 << 40
A_POLICY_TYPE = "20001"
"""O-RAN SC's number of one; other names in paths may be any."""


def announce(url, method, path, media_type):
    """Status and body of the answer to a request that says how long its body will be, and sends none of it."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.putrequest(method, path)
    connection.putheader("Content-Type", f"{media_type}; boundary=x")
    connection.putheader("Content-Length", str(FAR_TOO_MANY_BYTES))
    connection.endheaders()
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


async def test_a_body_that_will_be_too_long_is_refused_before_it_comes(tmp_path):
    async with rest_apps(tmp_path) as apps:
        for name in NAMES:
            asked = 0
            async with httpx.AsyncClient(base_url=apps.urls[name], trust_env=False) as client:
                document = (await client.get("/openapi.json")).json()
                for method, path, operation in operations(document):
                    media_type = next(iter(operation["requestBody"]["content"]))
                    filled = re.sub(r"\{[^}]*\}", A_POLICY_TYPE, path)
                    status, problem = await asyncio.to_thread(announce, apps.urls[name], method, filled, media_type)
                    assert (status, problem["status"]) == (413, 413), (name, method, path, problem)
                    assert "413" in operation["responses"], (name, method, path)
                    asked += 1
            assert asked, name


def operations(document):
    """Method, path and operation of all that take a body."""
    every = ((method.upper(), path, each) for path, methods in document["paths"].items() for method, each in methods.items())
    return [(method, path, operation) for method, path, operation in every if "requestBody" in operation]
