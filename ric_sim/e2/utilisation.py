"""How full the network is, as gauges."""

from __future__ import annotations

import numpy as np

from ric_sim.e2.store_gate import StoreGate
from ric_sim.network.city import City, NodeKind
from ric_sim.telemetry import gauge


class UtilisationGauges:
    """Publishes the used share of links and hosts from the latest snapshot."""

    def __init__(self, gate: StoreGate, city: City) -> None:
        self._gate = gate
        self._n_links = city.n_links
        self._limits = np.maximum(city.limits.astype(np.float64), 1.0)
        self._tiers = _tiers(city)

    def publish(self) -> None:
        """Sets the gauges; nothing happens before the first snapshot."""
        snapshot = self._gate.latest
        if snapshot is None:
            return
        links = snapshot.used[: self._n_links] / self._limits[: self._n_links]
        gauge("ricity_ric_link_utilisation_ratio").labels(statistic="mean").set(float(links.mean()))
        gauge("ricity_ric_link_utilisation_ratio").labels(statistic="max").set(float(links.max()))
        for tier, members in self._tiers.items():
            used = float(snapshot.used[members].sum() / self._limits[members].sum())
            gauge("ricity_ric_compute_utilisation_ratio").labels(tier=tier).set(used)
        if snapshot.pressure is not None:
            gauge("ricity_ric_congestion_refused_requests").labels(kind="link").set(
                float(snapshot.pressure[: self._n_links].max())
            )
            gauge("ricity_ric_congestion_refused_requests").labels(kind="compute").set(
                float(snapshot.pressure[self._n_links :].max())
            )
        gauge("ricity_ric_emulated_time_seconds").set(snapshot.now_ms / 1000)


def _tiers(city: City) -> dict[str, np.ndarray]:
    """Compute resources by tier and reach; tiers a city does not have are left out."""
    o_du, o_cu = city.node_kind == NodeKind.O_DU, city.node_kind == NodeKind.O_CU
    members = {
        "o_du_near": o_du & city.near_host,
        "o_du_far": o_du & ~city.near_host,
        "o_cu_near": o_cu & city.near_host,
        "o_cu_far": o_cu & ~city.near_host,
        "upf": city.node_kind == NodeKind.UPF,
    }
    return {tier: city.n_links + np.flatnonzero(mask) for tier, mask in members.items() if mask.any()}
