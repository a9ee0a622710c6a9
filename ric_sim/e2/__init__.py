"""The E2-like interface: node agents, termination, subscriptions, delivery. Servicers only translate."""

PROTOCOL_VERSION = 1
"""Version of proto/ricity/e2/v1 spoken by this code; a peer with another one is refused with both versions named."""

RAN_FUNCTION_KPM = 2
RAN_FUNCTION_RC = 3
