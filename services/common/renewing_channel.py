"""A gRPC channel for the life of a process, whose certificate is renewed meanwhile."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

import grpc
import structlog

from ric_sim.domain.errors import CertificateUnusable


class RenewingChannel(grpc.aio.Channel):
    """Begins every call on a channel made of the files as they are then; stubs made of it stay good.

    A channel of gRPC holds the certificate it was made with. Calls under way stay on theirs, which is closed after the last.
    """

    def __init__(self, make: Callable[[], grpc.aio.Channel], stamp: Callable[[], Any]) -> None:
        """
        Args:
            make: a channel of the files as they are now; raises `CertificateUnusable`.
            stamp: equal as long as the files are the same.
        """
        self._make, self._stamp_of = make, stamp
        self._stamp = stamp()
        self._channel = make()
        self._under_way: weakref.WeakSet[grpc.aio.Call] = weakref.WeakSet()  # on the channel of now
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    def current(self) -> grpc.aio.Channel:
        """What the next call is made on. Files that are half replaced change nothing: the last that held go on."""
        stamp = self._stamp_of()
        if stamp == self._stamp or self._closed:
            return self._channel
        try:
            renewed = self._make()
        except CertificateUnusable as error:
            structlog.get_logger().error("tls.unusable", error=str(error))
            return self._channel
        old, self._channel, self._stamp = self._channel, renewed, stamp
        calls, self._under_way = list(self._under_way), weakref.WeakSet()
        retirement = asyncio.create_task(_retire(old, calls))
        self._retiring.add(retirement)
        retirement.add_done_callback(self._retiring.discard)
        structlog.get_logger().info("tls.channel_renewed")
        return renewed

    async def close(self, grace: float | None = None) -> None:
        """Ends all calls, those on earlier channels at once."""
        self._closed = True
        retiring = list(self._retiring)
        for retirement in retiring:
            retirement.cancel()
        await asyncio.gather(*retiring, return_exceptions=True)
        await self._channel.close(grace)

    async def __aenter__(self) -> RenewingChannel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 (gRPC's signature)
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self.current().channel_ready()

    def unary_unary(self, *method: Any, **options: Any) -> Any:
        return self._calls(lambda channel: channel.unary_unary(*method, **options))

    def unary_stream(self, *method: Any, **options: Any) -> Any:
        return self._calls(lambda channel: channel.unary_stream(*method, **options))

    def stream_unary(self, *method: Any, **options: Any) -> Any:
        return self._calls(lambda channel: channel.stream_unary(*method, **options))

    def stream_stream(self, *method: Any, **options: Any) -> Any:
        return self._calls(lambda channel: channel.stream_stream(*method, **options))

    def _calls(self, callable_of: Callable[[grpc.aio.Channel], Any]) -> Any:
        channel = self._channel
        multi_callable = callable_of(channel)

        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal channel, multi_callable
            if (current := self.current()) is not channel:
                channel, multi_callable = current, callable_of(current)
            begun = multi_callable(*arguments, **options)
            under_way = self._under_way
            under_way.add(begun)
            begun.add_done_callback(under_way.discard)
            return begun

        return call


async def _retire(channel: grpc.aio.Channel, calls: list[grpc.aio.Call]) -> None:
    """Closes a channel after its calls. `close` with a grace cannot be cut short, so the calls are awaited here."""
    try:
        await asyncio.gather(*(call.code() for call in calls), return_exceptions=True)
    finally:
        await channel.close()
