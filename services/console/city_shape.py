"""The city, its load and its log as the page takes them: short names, percent in bytes, nothing twice."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ric_sim.network.city import City, NodeKind
from ricity.e2.v1 import common_pb2
from ricity.store.v1 import store_pb2

BUSIEST = 8
_KINDS = tuple(kind.name.lower() for kind in NodeKind)
_CHANGE_KINDS = {value: name.removeprefix("CHANGE_KIND_").lower() for name, value in store_pb2.ChangeKind.items()}


def city_document(city: City) -> dict[str, Any]:
    """What does not change while a RIC runs.

    `lines` are undirected: [node, node, link there, link back], -1 for a link that only goes one way.
    """
    kinds = [_KINDS[kind] for kind in city.node_kind.tolist()]
    return {
        "name": city.name,
        "profile": city.profile,
        "fingerprint": city.fingerprint,
        "nodes": [
            {"name": name, "kind": kind, "x_km": x_km, "y_km": y_km}
            for name, kind, x_km, y_km in zip(
                city.node_names, kinds, city.node_x_km.tolist(), city.node_y_km.tolist(), strict=True
            )
        ],
        "links": {
            "src": city.link_src.tolist(),
            "dst": city.link_dst.tolist(),
            "mbps": (city.link_capacity_kbps // 1000).tolist(),
        },
        "lines": _lines(city),
        "services": [
            {
                "key": spec.key,
                "label": spec.label,
                "slice_class": spec.slice_class,
                "slice_id": str(spec.slice_id),
                "budget_ms": spec.latency_budget_us / 1000,
            }
            for spec in city.services
        ],
    }


def load_section(city: City, snapshot: common_pb2.StoreSnapshot) -> dict[str, Any]:
    """How full links and hosts are; `links` and `nodes` are base64 of one byte each, percent, at most 255."""
    used = np.frombuffer(snapshot.used, dtype="<u4").astype(np.float64)
    ratio = np.divide(used, city.limits, out=np.zeros(len(used)), where=city.limits > 0)
    links, nodes = ratio[: city.n_links], ratio[city.n_links :]
    hosts = city.compute_limit_ucores > 0
    return {
        "connected": True,
        "version": snapshot.version,
        "now_ms": snapshot.now_ms,
        "links": _percent_bytes(links),
        "nodes": _percent_bytes(nodes),
        "link_mean_ratio": round(float(links.mean()), 4),
        "link_max_ratio": round(float(links.max()), 4),
        "host_mean_ratio": round(float(nodes[hosts].mean()), 4) if hosts.any() else 0.0,
        "host_max_ratio": round(float(nodes[hosts].max()), 4) if hosts.any() else 0.0,
        "busiest_links": _highest(links),
        "busiest_hosts": _highest(np.where(hosts, nodes, 0.0)),
    }


def flows_section(changes: Sequence[store_pb2.ChangeRecord]) -> dict[str, Any]:
    """Routes of the latest commits, oldest first."""
    commits = [change for change in changes if change.kind == store_pb2.CHANGE_KIND_COMMIT and change.route]
    return {
        "connected": True,
        "flows": [
            {
                "id": change.flow_id,
                "service": change.service,
                "version": change.version,
                "kbps": change.amounts[0] if change.amounts else 0,
                "latency_ms": change.latency_us / 1000,
                "links": list(change.route),
            }
            for change in commits
        ],
    }


def log_section(changes: Sequence[store_pb2.ChangeRecord]) -> dict[str, Any]:
    """The newest records of the store's log, newest first."""
    return {
        "connected": True,
        "records": [
            {
                "version": change.version,
                "kind": _CHANGE_KINDS[change.kind],
                "now_ms": change.now_ms,
                "flow": change.flow_id,
                "service": change.service,
                "hops": len(change.route),
                "resources": len(change.resources),
                "displaced_by": change.displaced_by,
            }
            for change in reversed(changes)
        ],
    }


def _lines(city: City) -> list[list[int]]:
    lines: dict[tuple[int, int], list[int]] = {}
    for link, (source, target) in enumerate(zip(city.link_src.tolist(), city.link_dst.tolist(), strict=True)):
        line = lines.setdefault((min(source, target), max(source, target)), [source, target, -1, -1])
        line[2 if line[0] == source else 3] = link
    return list(lines.values())


def _percent_bytes(ratio: npt.NDArray[np.float64]) -> str:
    return base64.b64encode(np.clip(np.ceil(100 * ratio), 0, 255).astype(np.uint8).tobytes()).decode()


def _highest(ratio: npt.NDArray[np.float64]) -> list[list[float]]:
    """[index, ratio] of the fullest ones, fullest first."""
    order = np.argsort(-ratio, kind="stable")[:BUSIEST]
    return [[index, round(float(ratio[index]), 4)] for index in order.tolist() if ratio[index] > 0]
