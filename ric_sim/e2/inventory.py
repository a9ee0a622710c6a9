"""Which E2 nodes there are, and who wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from ric_sim.domain.errors import Overloaded
from ric_sim.telemetry import gauge
from ricity.e2.v1 import admin_pb2, termination_pb2

WATCH_QUEUE_EVENTS = 1024


class NodeInventory:
    """Nodes by ranName, kept after they disconnect, with a change feed."""

    def __init__(self) -> None:
        self._nodes: dict[str, admin_pb2.NodeInfo] = {}
        self._watchers: set[asyncio.Queue[admin_pb2.NodeInfo]] = set()

    def connected(self, agent_id: str, nodes: Iterable[termination_pb2.E2NodeConfig]) -> None:
        """Records the nodes of an association that was set up."""
        for node in nodes:
            self._publish(
                admin_pb2.NodeInfo(
                    global_id=node.global_id,
                    ran_name=node.ran_name,
                    node_name=node.node_name,
                    status=admin_pb2.CONNECTION_STATUS_CONNECTED,
                    agent_id=agent_id,
                    ran_functions=node.ran_functions,
                )
            )
        self._count()

    def disconnected(self, agent_id: str) -> None:
        """Records that an agent's association is gone."""
        for info in [i for i in self._nodes.values() if i.agent_id == agent_id]:
            changed = admin_pb2.NodeInfo()
            changed.CopyFrom(info)
            changed.status = admin_pb2.CONNECTION_STATUS_DISCONNECTED
            self._publish(changed)
        self._count()

    def all(self) -> Sequence[admin_pb2.NodeInfo]:
        """Every node ever seen, by ranName."""
        return [self._nodes[name] for name in sorted(self._nodes)]

    def measurements(self) -> dict[str, admin_pb2.NodeInfo]:
        """Measurement name -> a connected node that offers it."""
        offered = {}
        for info in self._nodes.values():
            if info.status == admin_pb2.CONNECTION_STATUS_CONNECTED:
                for function in info.ran_functions:
                    offered.update({measurement.name: info for measurement in function.measurements})
        return offered

    async def watch(self) -> AsyncIterator[admin_pb2.NodeInfo]:
        """The inventory, then every change. A watcher that does not keep up is cut off with `Overloaded`."""
        queue: asyncio.Queue[admin_pb2.NodeInfo] = asyncio.Queue(WATCH_QUEUE_EVENTS)
        for info in self.all():
            yield info
        self._watchers.add(queue)
        try:
            while True:
                if queue.full():
                    raise Overloaded(f"the watcher is {WATCH_QUEUE_EVENTS} events behind: list the nodes and watch again")
                yield await queue.get()
        finally:
            self._watchers.discard(queue)

    def _publish(self, info: admin_pb2.NodeInfo) -> None:
        self._nodes[info.ran_name] = info
        for queue in self._watchers:
            if not queue.full():
                queue.put_nowait(info)

    def _count(self) -> None:
        statuses = [info.status for info in self._nodes.values()]
        for status in (admin_pb2.CONNECTION_STATUS_CONNECTED, admin_pb2.CONNECTION_STATUS_DISCONNECTED):
            label = admin_pb2.ConnectionStatus.Name(status).removeprefix("CONNECTION_STATUS_").lower()
            gauge("ricity_ric_nodes").labels(status=label).set(statuses.count(status))
