"""Values no schema-driven generator makes: each field of each body in turn; bodies that are hardly JSON; odd paths."""

from __future__ import annotations

import copy
import json

import httpx
import pytest

from tests.contract.rest.apps import MODEL, NAMES, rest_apps

DESCRIPTOR = {
    "xapp_name": "odd",
    "version": "1.0.0",
    "module": "xapps.routing.main",
    "env": {"RICITY_LOG_LEVEL": "INFO"},
    "subscriptions": {"inserts": ["voip"], "reports": [{"measurements": ["RRU.PrbUsedDl"], "period_ms": 1000}]},
    "resources": {"cpus": 1.5, "memory_mib": 64},
    "livenessProbe": {"httpGet": {"path": "/", "port": 8080}},
}
HOOK = {"data": {"targetUrl": "http://127.0.0.1:9/", "eventType": "created", "maxRetries": 0, "retryTimer": 1}}
REGISTRATION = {"appName": "odd", "appInstanceName": "one", "appVersion": "1.0.0", "httpEndpoint": "here:80", "config": "{}"}
POLICY = {"scope": {"cellId": "odd"}, "tspResources": [{"cellIdList": ["odd"], "preference": "PREFER"}]}
AB = {"xapp": "odd", "baseline": "1.0.0", "candidate": "2.0.0", "candidate_percent": 5.0, "alpha": 0.05, "max_duration_s": 60.0}
PLAN = {"to": "2.0.0", "weights_percent": [50, 100], "step_s": 0.5, "max_crashes": 3, "max_failed_ratio": 0.1}
TSP = "ORAN_TrafficSteeringPreference"

BODIES = {
    "manager": [
        ("PUT", f"/A1-P/v2/policytypes/{TSP}/policies/odd", POLICY),
        ("POST", "/v1/xapps", DESCRIPTOR),
        ("POST", "/v1/xapps/odd/deploy", {"version": "1.0.0", "replicas": 1, "standby": False}),
        ("POST", "/v1/xapps/odd/upgrade", PLAN),
        ("POST", "/v1/xapps/odd/rollback", {"weights_percent": [100]}),
        ("PUT", "/v1/xapps/odd/config", {"RICITY_LOG_LEVEL": "INFO"}),
        ("POST", "/v1/ab", AB),
        ("POST", "/ric/v1/register", REGISTRATION),
        ("POST", "/ric/v1/deregister", {"appName": "odd", "appInstanceName": "one"}),
        ("POST", "/ric/v1/xapps", {"xappName": "odd", "helmVersion": "1.0.0", "overrideFile": {"a": 1}}),
        ("PUT", "/ric/v1/config", {"metadata": {"xappName": "odd"}, "config": {"RICITY_LOG_LEVEL": "INFO"}}),
        ("POST", "/ric/v1/subscriptions", HOOK),
    ],
    "manager-osc": [
        ("PUT", "/A1-P/v2/policytypes/20001", {"name": TSP, "policy_type_id": 20001, "create_schema": {}}),
        ("PUT", "/A1-P/v2/policytypes/20001/policies/odd", POLICY),
        ("POST", "/data-delivery", {"job": "odd", "payload": {"a": 1}}),
    ],
    "registry": [
        ("POST", f"/registry/v1/models/{MODEL}/versions/1/stage", {"stage": "canary"}),
        ("POST", "/registry/v1/sweep", {"keep_retired": 1}),
    ],
    "console": [
        ("PUT", f"/api/v1/policies/{TSP}/odd", POLICY),
        ("POST", "/api/v1/xapps/odd/upgrade", PLAN),
        ("PUT", "/api/v1/xapps/odd/config", {"RICITY_LOG_LEVEL": "INFO"}),
        ("POST", f"/api/v1/models/{MODEL}/versions/1/stage", {"stage": "canary"}),
    ],
}
GETS = {
    "manager": ["/v1/rollouts/{}", "/v1/ab/{}", "/ric/v1/xapps/{}", "/ric/v1/subscriptions/{}", "/v1/conflicts?limit={}&kind={}"],
    "manager-osc": ["/A1-P/v2/policytypes/{}", "/A1-P/v2/policytypes/20001/policies/{}"],
    "registry": ["/registry/v1/models/{}", f"/registry/v1/models/{MODEL}/versions/{{}}"],
    "console": ["/{}", "/api/v1/{}", "/api/v1/ab/{}/evidence.svg"],
}
ODD = ["\ud800", "a\x00b", "x" * 70_000, 10**400, float("nan"), None, [[[]]], {"\ud800": "\x00"}]
HARDLY_JSON = [
    b"",
    b"\xff\xfe{\x00}\x00",
    b'{"a": "\xc3\x28"}',
    b'{"a": 1, "a": 2}',
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b"1" * 10_000,
    b"1e999999",
    b"NaN",
    b'"\\ud800"',
    b"\x00",
    b"\xef\xbb\xbf{}",
    b"{} {}",
]
PATH_PARTS = [
    "%00",
    "%ff",
    "%ed%a0%80",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e",
    "9" * 5_000,
    "-1",
    "1e3",
    "%20",
    "x" * 9_000,
    "%c2%b2",
    "+1",
]


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
async def test_odd_values_are_refused_with_a_problem_or_taken(name, tmp_path):
    faults = {}
    async with rest_apps(tmp_path) as apps, _client(apps.urls[name]) as client:
        for method, path, good in BODIES[name]:
            for body in [*(json.dumps(odd).encode() for odd in _spoilt(good)), *HARDLY_JSON]:
                reply = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})
                faults.setdefault((method, path, _fault(reply)), body[:200])
        for path in GETS[name]:
            for part in PATH_PARTS:
                faults.setdefault(("GET", path, _fault(await client.get(path.replace("{}", part)))), part[:50])
    assert {where: sent for where, sent in faults.items() if where[-1]} == {}


def _client(url):
    # A connection per request: one that is kept may be closed by the server while the next request is on its way.
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits)


def _spoilt(good):
    """A body with each of its values in turn replaced by an odd one, and with one more, odd key."""
    yield {**good, "\ud800": 1}
    for place in _places(good):
        for odd in ODD:
            body = copy.deepcopy(good)
            holder = body
            for key in place[:-1]:
                holder = holder[key]
            holder[place[-1]] = odd
            yield body


def _places(document, before=()):
    items = document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    for key, value in items:
        yield (*before, key)
        yield from _places(value, (*before, key))


def _fault(reply):
    """What is wrong with an answer, empty if nothing is."""
    if reply.status_code >= 500 and reply.status_code != 503:
        return f"{reply.status_code}: {reply.text[:200]}"
    if reply.status_code < 400 or reply.text.startswith("Invalid HTTP request"):
        return ""
    kind = reply.headers["content-type"]
    return "" if kind == "application/problem+json" and reply.json()["status"] == reply.status_code else f"answered as {kind}"
