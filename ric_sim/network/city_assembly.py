"""From rows of nodes and links to a `City`: index arrays, padded neighbour tables, fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.domain.service import ServiceSpec
from ric_sim.network.city import City, NodeKind

NO_SERVICE = -1
"""`NodeRow.service` of everything but a UPF."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node; fields as in `City`. Switches have no compute."""

    name: str
    kind: NodeKind
    x_km: float
    y_km: float
    near: bool = False
    service: int = NO_SERVICE
    nominal_ucores: int = 0
    limit_ucores: int = 0


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One directed link between node indices."""

    source: int
    target: int
    capacity_kbps: int
    latency_us: int


def assemble_city(
    name: str, profile: str, *, nodes: Sequence[NodeRow], links: Sequence[LinkRow], services: tuple[ServiceSpec, ...]
) -> City:
    """The city of these rows; row order is index order. Checks nothing (`ric_sim.network.city_checks` does)."""
    link_src = np.array([link.source for link in links], np.int32)
    link_dst = np.array([link.target for link in links], np.int32)
    out_links = _out_links(link_src, n_nodes=len(nodes))
    neighbours = np.where(out_links >= 0, link_dst[out_links], -1).astype(np.int32)
    arrays: dict[str, npt.NDArray[Any]] = {
        "node_kind": np.array([node.kind for node in nodes], np.int8),
        "node_x_km": np.array([node.x_km for node in nodes], np.float64),
        "node_y_km": np.array([node.y_km for node in nodes], np.float64),
        "near_host": np.array([node.near for node in nodes], np.bool_),
        "upf_service": np.array([node.service for node in nodes], np.int8),
        "link_src": link_src,
        "link_dst": link_dst,
        "link_capacity_kbps": np.array([link.capacity_kbps for link in links], np.int64),
        "link_latency_us": np.array([link.latency_us for link in links], np.int64),
        "compute_nominal_ucores": np.array([node.nominal_ucores for node in nodes], np.int64),
        "compute_limit_ucores": np.array([node.limit_ucores for node in nodes], np.int64),
        "neighbours": neighbours,
        "out_links": out_links,
    }
    for array in arrays.values():
        array.setflags(write=False)
    node_names = tuple(node.name for node in nodes)
    identity = {"name": name, "profile": profile, "nodes": node_names, "services": [_identity(spec) for spec in services]}
    return City(
        name=name,
        profile=profile,
        node_names=node_names,
        services=services,
        fingerprint=fingerprint(identity, arrays.items()),
        **arrays,
    )


def _identity(spec: ServiceSpec) -> dict[str, Any]:
    """All that a service is. What it does not have is left out, so that fingerprints outlive new optional fields."""
    return {name: value for name, value in asdict(spec).items() if value is not None}


def fingerprint(identity: object, arrays: Iterable[tuple[str, npt.NDArray[Any]]]) -> str:
    """sha256 hex over a JSON-able value and named arrays (name, type, shape, little-endian content)."""
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode())
    for name, array in arrays:
        portable = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"\n{name} {portable.dtype.str} {portable.shape}\n".encode())
        digest.update(portable.tobytes())
    return digest.hexdigest()


def _out_links(link_src: npt.NDArray[np.int32], *, n_nodes: int) -> npt.NDArray[np.int32]:
    """int32 [N, D]: the links that leave each node, ascending, -1 padded."""
    degree = np.bincount(link_src, minlength=n_nodes)
    by_source = np.argsort(link_src, kind="stable")
    first = np.concatenate([[0], np.cumsum(degree)[:-1]])
    column = np.arange(len(link_src)) - first[link_src[by_source]]
    table = np.full((n_nodes, max(1, int(degree.max(initial=0)))), -1, np.int32)
    table[link_src[by_source], column] = by_source
    return table
