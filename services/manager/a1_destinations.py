"""Where notifications may go: a caller of A1 must not make the manager call what only the manager can reach.

A destination is looked up once per request, every address that it has is judged, and the connection goes to a judged one: a
name that means something else a moment later leads nowhere else.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import httpx

from ric_sim.domain.errors import InvalidInput

MAX_URI_LENGTH = 2048
LOOPBACK = ("localhost", "127.0.0.0/8", "::1/128")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class Destinations:
    """Judges destinations: public addresses, and what is allowed by name."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed`: host names, IP addresses and networks (CIDR) that may be called although they are not public."""
        self._names: set[str] = set()
        self._networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for entry in filter(None, map(str.strip, allowed)):
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                self._names.add(entry.lower())

    def check(self, uri: str) -> str:
        """`uri` itself; `InvalidInput` unless it is an http or https URI whose host may be called, as far as its name tells."""
        try:
            parts = urlsplit(uri)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and len(uri) <= MAX_URI_LENGTH
        except ValueError:
            usable = False
        if not usable:
            raise InvalidInput(f"notificationDestination {uri!r:.120}: expected an http or https URI")
        host = (parts.hostname or "").rstrip(".")
        if host in self._names:
            return uri
        address = _literal(host)
        if (address is not None and not self._may(address)) or (address is None and host.endswith("localhost")):
            raise InvalidInput(
                f"notificationDestination {uri!r:.120}: {host} is no public address; the operator allows others with "
                "RICITY_A1_CALLBACK_ALLOW"
            )
        return uri

    async def address_of(self, host: str, port: int) -> str:
        """An address of `host` to connect to. Raises `InvalidInput` if any of them may not be called."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
        if host.lower().rstrip(".") not in self._names and not all(map(self._may, addresses)):
            raise InvalidInput(f"{host} has an address that is not public, and RICITY_A1_CALLBACK_ALLOW does not allow it")
        return str(addresses[0])

    def _may(self, address: _Address) -> bool:
        if any(address in network for network in self._networks):
            return True
        inner = _embedded(address)
        if inner is not None:
            return self._may(inner)
        return address.is_global and not address.is_multicast


class GuardedTransport(httpx.AsyncHTTPTransport):
    """Connects only to judged addresses; the host's name stays in the request and in the check of an https certificate."""

    def __init__(self, destinations: Destinations, *, limits: httpx.Limits) -> None:
        super().__init__(limits=limits, trust_env=False)
        self._destinations = destinations

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises `InvalidInput`, `OSError` (the name cannot be resolved), and what the class it derives from raises."""
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        address = await self._destinations.address_of(host, port)
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return await super().handle_async_request(request)


def _literal(host: str) -> _Address | None:
    """The address that `host` is, in any spelling that a resolver takes (decimal, octal, hex), or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _embedded(address: _Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to an IPv6 address end up at."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour
