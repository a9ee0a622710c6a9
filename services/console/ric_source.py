"""What the console asks of the RIC, all of it read-only gRPC."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import grpc

from ric_sim.domain.errors import PartUnreachable
from ric_sim.network.city import City
from ric_sim.network.city_file import city_from_json
from ricity.e2.v1 import admin_pb2, admin_pb2_grpc, common_pb2, xapp_pb2, xapp_pb2_grpc
from ricity.store.v1 import store_pb2, store_pb2_grpc
from services.common.tls import Transport

TIMEOUT_S = 4.0
CHANGES_WITHIN_S = 0.4


class RicSource:
    """One channel to one RIC; every method raises `PartUnreachable` if it does not answer."""

    def __init__(self, target: str, transport: Transport) -> None:
        self.target = target
        self._channel = transport.channel(target, peer="ric")
        self._admin = admin_pb2_grpc.E2AdminServiceStub(self._channel)
        self._store = store_pb2_grpc.StoreServiceStub(self._channel)
        self._xapps = xapp_pb2_grpc.XappServiceStub(self._channel)

    async def city(self) -> City:
        """The city it serves."""
        with self._errors():
            reply = await self._xapps.GetCity(xapp_pb2.GetCityRequest(), timeout=2 * TIMEOUT_S)
        return await asyncio.to_thread(city_from_json, reply.city_json)

    async def snapshot(self) -> common_pb2.StoreSnapshot:
        """Used amounts of links and hosts, now."""
        with self._errors():
            return (await self._store.GetSnapshot(store_pb2.GetSnapshotRequest(), timeout=TIMEOUT_S)).snapshot

    async def xapps(self) -> list[admin_pb2.XappInfo]:
        """Attached instances, by xApp."""
        with self._errors():
            return list((await self._admin.ListXapps(admin_pb2.ListXappsRequest(), timeout=TIMEOUT_S)).xapps)

    async def nodes(self) -> list[admin_pb2.NodeInfo]:
        """The inventory of E2 nodes."""
        with self._errors():
            return list((await self._admin.ListNodes(admin_pb2.ListNodesRequest(), timeout=TIMEOUT_S)).nodes)

    async def subscriptions(self) -> list[admin_pb2.SubscriptionInfo]:
        """All subscriptions."""
        with self._errors():
            reply = await self._admin.ListSubscriptions(admin_pb2.ListSubscriptionsRequest(), timeout=TIMEOUT_S)
            return list(reply.subscriptions)

    async def changes(self, *, after_version: int, until_version: int) -> list[store_pb2.ChangeRecord]:
        """Records of the store's log between two versions, oldest first; fewer, the oldest, if they take long."""
        found: list[store_pb2.ChangeRecord] = []
        if until_version <= after_version:
            return found
        async with contextlib.aclosing(self._watched(after_version)) as changes:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHANGES_WITHIN_S):
                    while not found or found[-1].version < until_version:
                        found.append(await anext(changes))
        return found

    async def close(self) -> None:
        """Closes the channel."""
        await self._channel.close()

    async def _watched(self, after_version: int) -> AsyncGenerator[store_pb2.ChangeRecord]:
        call = self._store.Watch(store_pb2.WatchRequest(after_version=after_version))
        try:
            with self._errors():
                while (page := await call.read()) is not grpc.aio.EOF:
                    for change in page.changes:
                        yield change
        finally:
            call.cancel()

    @contextlib.contextmanager
    def _errors(self) -> Any:
        try:
            yield
        except grpc.aio.AioRpcError as error:
            raise PartUnreachable(f"the RIC at {self.target}: {error.code().name}: {error.details():.200}") from error
