"""What every gRPC channel and server of Ricity is set to."""

from __future__ import annotations

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A city file of the largest size taken (docs/city.md) fits."""

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A channel of its own per client: a shared subchannel would carry the back-off of one stream over to another.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
