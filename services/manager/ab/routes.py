"""`/v1/ab`: A/B tests over REST."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from ric_sim.e2.version_outcomes import LATENCY_BOUNDS_MS
from services.common.json_text import whole_text
from services.common.rest_problems import problem_answers
from services.manager.ab.engine import AbEngine
from services.manager.ab.figure import evidence_svg
from services.manager.ab.model import Spec
from services.manager.ab.rules import Rules

TestId = Annotated[str, Path(pattern=r"^ab-[0-9]{8}-[0-9]{6}-[0-9a-f]{4}$")]
_DEFAULT = Rules()


class StartRequest(BaseModel):
    """What to compare, and when to end; defaults of `Rules`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    xapp: str = Field(min_length=1, max_length=64, examples=["routing-video"])
    baseline: str = Field(min_length=1, max_length=64, examples=["0.1.0"])
    candidate: str = Field(min_length=1, max_length=64, examples=["0.2.0"])
    candidate_percent: float = Field(5.0, ge=0.1, le=90)
    alpha: float = Field(_DEFAULT.alpha, gt=0, lt=1)
    min_requests: int = Field(_DEFAULT.min_requests, ge=0, le=10**9)
    max_requests: int = Field(_DEFAULT.max_requests, ge=1, le=10**9)
    max_duration_s: float = Field(_DEFAULT.max_duration_s, gt=0, le=10**8)
    guard_gos_ratio: float = Field(_DEFAULT.guard_gos_ratio, ge=0, le=1)
    guard_error_ratio: float = Field(_DEFAULT.guard_error_ratio, ge=0, le=1)
    guard_abort_ratio: float = Field(_DEFAULT.guard_abort_ratio, ge=0, le=1)
    guard_slow_ms: float = Field(_DEFAULT.guard_slow_ms, json_schema_extra={"enum": list(LATENCY_BOUNDS_MS)})
    guard_slow_ratio: float = Field(_DEFAULT.guard_slow_ratio, ge=0, le=1)

    def spec(self) -> Spec:
        """Raises `InvalidInput`."""
        rules = Rules(**self.model_dump(exclude={"xapp", "baseline", "candidate", "candidate_percent"}))
        return Spec(self.xapp, self.baseline, self.candidate, self.candidate_percent, rules)


class Summary(BaseModel):
    """A test without evidence and series; times in unix seconds, ratios 0-1."""

    id: str
    xapp: str
    baseline: str
    candidate: str
    candidate_percent: float
    state: Literal["running", "promoting", "rolling_back", "promoted", "rolled_back", "abandoned"]
    verdict: Literal["better", "worse", "guard", "undecided"] | None
    reason: str
    started_at: float
    ended_at: float | None
    requests: int
    gain: float
    gain_interval: tuple[float, float]


class Report(Summary):
    """A test with everything known of it."""

    rules: dict[str, Any]
    evidence: dict[str, Any]
    series: list[dict[str, float]]


class Tests(BaseModel):
    """Newest first."""

    tests: list[Summary]


def ab_router(engine: AbEngine) -> APIRouter:
    """The routes."""
    refusals = problem_answers(400, 404, 413, 503)
    router = APIRouter(prefix="/v1/ab", tags=["A/B tests"], responses=refusals, dependencies=[Depends(whole_text)])

    @router.post("", status_code=HTTPStatus.CREATED, responses=problem_answers(409))
    async def start(request: StartRequest) -> Report:
        return Report(**(await engine.start(request.spec())).report())

    @router.get("")
    async def list_tests() -> Tests:
        return Tests(tests=[Summary(**test.summary()) for test in engine.all()])

    @router.get("/{test_id}")
    async def get_test(test_id: TestId) -> Report:
        return Report(**engine.get(test_id).report())

    @router.post("/{test_id}/stop")
    async def stop(test_id: TestId) -> Report:
        return Report(**(await engine.stop(test_id)).report())

    @router.get("/{test_id}/evidence.svg", response_class=Response, responses={200: {"content": {"image/svg+xml": {}}}})
    async def figure(test_id: TestId) -> Response:
        return Response(evidence_svg(engine.get(test_id).report()), media_type="image/svg+xml")

    return router
