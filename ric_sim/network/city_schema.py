"""Schema of a city file, version 1: names, types and ranges. What the parts mean to each other is `city_checks`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ric_sim.network.city import NodeKind

FORMAT = "ricity-city/1"

U32_MAX = 4_294_967_295
"""Amounts of resources are unsigned 32-bit integers in the store."""

MAX_NODES = 5_000
MAX_LINKS = 50_000
MAX_SERVICES = 64

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\z", max_length=64)]
Amount = Annotated[int, Field(ge=0, le=U32_MAX)]
PositiveAmount = Annotated[int, Field(ge=1, le=U32_MAX)]
Coordinate = Annotated[float, Field(ge=-100_000, le=100_000)]
UcorePerKbps = Annotated[int, Field(ge=0, le=65_535)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ComputeFields(_Strict):
    """Micro-cores per kbps and tier."""

    o_ru: UcorePerKbps
    o_du: UcorePerKbps
    o_cu: UcorePerKbps
    upf: UcorePerKbps


class ServiceFields(_Strict):
    """A service, fields as in `ServiceSpec`."""

    key: Name
    label: str = Field(pattern=r"^[ -~]+\z", max_length=64)
    slice_class: Literal["eMBB", "mMTC", "uRLLC"]
    sst: int = Field(ge=0, le=255)
    sd: str = Field(pattern=r"^[0-9A-Fa-f]{6}\z")
    directions: list[Literal["uplink", "downlink"]] = Field(min_length=1, max_length=2)
    latency_budget_us: PositiveAmount
    compute_ucore_per_kbps: ComputeFields
    processing_ns: int = Field(ge=0, le=10_000_000_000)
    mean_bandwidth_kbps: PositiveAmount
    shares_upfs_of: Name | None = None


class _NodeFields(_Strict):
    name: Name
    x_km: Coordinate
    y_km: Coordinate


class SwitchFields(_NodeFields):
    """A node that only forwards."""

    kind: Literal["access", "aggregation", "core"]


class _HostFields(_NodeFields):
    near: bool
    compute_nominal_ucores: PositiveAmount
    compute_limit_ucores: Amount


class RanHostFields(_HostFields):
    """A host of the radio side."""

    kind: Literal["o-ru", "o-du", "o-cu"]


class UpfFields(_HostFields):
    """A UPF and the service it is for."""

    kind: Literal["upf"]
    service: Name


class LinkFields(_Strict):
    """One directed link."""

    source: Name = Field(alias="from")
    target: Name = Field(alias="to")
    capacity_kbps: PositiveAmount
    latency_us: int = Field(ge=0, le=60_000_000)


NodeFields = Annotated[SwitchFields | RanHostFields | UpfFields, Field(discriminator="kind")]


class CityDocument(_Strict):
    """A whole city file."""

    format: Literal["ricity-city/1"]
    name: Name
    profile: Name
    services: list[ServiceFields] = Field(min_length=1, max_length=MAX_SERVICES)
    nodes: list[NodeFields] = Field(min_length=1, max_length=MAX_NODES)
    links: list[LinkFields] = Field(min_length=1, max_length=MAX_LINKS)


KIND_NAMES: dict[NodeKind, str] = {
    NodeKind.O_RU: "o-ru",
    NodeKind.O_DU: "o-du",
    NodeKind.O_CU: "o-cu",
    NodeKind.UPF: "upf",
    NodeKind.ACCESS: "access",
    NodeKind.AGGREGATION: "aggregation",
    NodeKind.CORE: "core",
}

KNOWN_KEYS = tuple(
    field.alias or name
    for model in (CityDocument, ServiceFields, ComputeFields, UpfFields, LinkFields)
    for name, field in model.model_fields.items()
)
"""Every key of the format, for suggestions."""
