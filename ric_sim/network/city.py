"""The city as arrays: what every planner, the store and the E2 nodes share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ric_sim.domain.service import ServiceSpec

IntArray = npt.NDArray[np.int64]

COMPUTE_ADMISSION_PERCENT = 80
"""Share of a host's nominal compute that admission may fill (paper eq. 4)."""

PROCESSING_WEIGHT_PERCENT = (0, 40, 35, 25)
"""w_f: how much of a chain's processing delay each tier (O-RU, O-DU, O-CU, UPF) causes."""


class NodeKind(IntEnum):
    O_RU = 0
    O_DU = 1
    O_CU = 2
    UPF = 3
    ACCESS = 4
    AGGREGATION = 5
    CORE = 6

    @property
    def is_host(self) -> bool:
        """Hosts run functions and never forward transit traffic; the others are switches."""
        return self <= NodeKind.UPF


LAST_HOST_KIND = int(NodeKind.UPF)
"""Kinds up to this one are hosts."""


@dataclass(frozen=True, eq=False)
class City:
    """One city under one profile. All arrays are read-only; N nodes, E directed links, D the largest out-degree.

    Attributes:
        name, profile: identity for people.
        node_names: N stable names, e.g. `ru-017`, `du-3`, `upf-iot-1`, `access-villeray`.
        node_kind: int8 [N], `NodeKind`.
        node_x_km, node_y_km: float64 [N], plane coordinates.
        near_host: bool [N], True for near (small, fast) hosts, False for regional ones and for switches.
        upf_service: int8 [N], service index of a UPF, -1 elsewhere; services that share its UPFs are told by `upf_pool`.
        link_src, link_dst: int32 [E].
        link_capacity_kbps: int64 [E].
        link_latency_us: int64 [E], propagation.
        compute_nominal_ucores: int64 [N], K_v; 0 for switches.
        compute_limit_ucores: int64 [N], what admission may use (80 % rule and profile applied).
        neighbours: int32 [N, D], successor nodes, -1 padded; column = action index of next-hop policies.
        out_links: int32 [N, D], the links to them, -1 padded.
        services: the catalogue; `FlowRequest.service` indexes it.
        fingerprint: sha256 hex over all of the above.
    """

    name: str
    profile: str
    node_names: tuple[str, ...]
    node_kind: npt.NDArray[np.int8]
    node_x_km: npt.NDArray[np.float64]
    node_y_km: npt.NDArray[np.float64]
    near_host: npt.NDArray[np.bool_]
    upf_service: npt.NDArray[np.int8]
    link_src: npt.NDArray[np.int32]
    link_dst: npt.NDArray[np.int32]
    link_capacity_kbps: IntArray
    link_latency_us: IntArray
    compute_nominal_ucores: IntArray
    compute_limit_ucores: IntArray
    neighbours: npt.NDArray[np.int32]
    out_links: npt.NDArray[np.int32]
    services: tuple[ServiceSpec, ...]
    fingerprint: str

    def __repr__(self) -> str:
        return f"City({self.name}, {self.profile}, {self.fingerprint[:12]})"

    @property
    def n_nodes(self) -> int:
        return len(self.node_names)

    @property
    def n_links(self) -> int:
        return len(self.link_src)

    @property
    def n_resources(self) -> int:
        """Links first, then the compute of every node."""
        return self.n_links + self.n_nodes

    @cached_property
    def limits(self) -> npt.NDArray[np.uint32]:
        """uint32 [n_resources]: the most that may be used of each resource."""
        limits = np.concatenate([self.link_capacity_kbps, self.compute_limit_ucores]).astype(np.uint32)
        limits.setflags(write=False)
        return limits

    @cached_property
    def service_index(self) -> dict[str, int]:
        """Service key -> index."""
        return {spec.key: index for index, spec in enumerate(self.services)}

    @cached_property
    def link_table(self) -> tuple[tuple[int, int, int, int], ...]:
        """Per link: source, target, latency in microseconds, `NodeKind` of the target; plain integers for scalar walks."""
        targets = self.link_dst.tolist()
        kinds = self.node_kind[self.link_dst].tolist()
        return tuple(zip(self.link_src.tolist(), targets, self.link_latency_us.tolist(), kinds, strict=True))

    @cached_property
    def node_table(self) -> tuple[tuple[int, int, int], ...]:
        """Per node: `NodeKind`, service index of a UPF or -1, nominal compute in micro-cores; plain integers."""
        columns = (self.node_kind.tolist(), self.upf_service.tolist(), self.compute_nominal_ucores.tolist())
        return tuple(zip(*columns, strict=True))

    @cached_property
    def upf_pool(self) -> tuple[int, ...]:
        """Per service: the index of the service whose UPFs it uses; its own unless it shares (`ServiceSpec.shares_upfs_of`)."""
        return tuple(
            self.service_index[spec.shares_upfs_of] if spec.shares_upfs_of else index for index, spec in enumerate(self.services)
        )

    def upfs_of(self, service: int) -> npt.NDArray[np.int32]:
        """Indices of the UPFs that serve a service, ascending."""
        return np.flatnonzero(self.upf_service == self.upf_pool[service]).astype(np.int32)

    def nodes_of(self, kind: NodeKind) -> npt.NDArray[np.int32]:
        """Indices of all nodes of a kind, ascending."""
        return np.flatnonzero(self.node_kind == kind).astype(np.int32)
