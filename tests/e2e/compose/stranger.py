"""What somebody without an identity gets out of a port."""

import contextlib
import functools
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor

SILENCE_S = 5
AT_ONCE = 24
PATHS = (
    "/",
    "/metrics",
    "/ric/v1/health/alive",
    "/ric/v1/health/ready",
    "/openapi.json",
    "/A1-P/v2/healthcheck",
    "/-/ready",
    "/api/v1/query?query=up",
)
WORDS = (
    *(f"GET {path} HTTP/1.0\r\n\r\n".encode() for path in PATHS),
    b"PING\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
)
REFUSALS = (b"400", b"401", b"403")
"""Go's servers say 400 to plain text where they expect TLS, the console 403 to whom asks for it by a name that is not its own."""

TLS_ALERT = b"\x15\x03"
LISTENS = "0A"
OWN = "7F"
OWN_6 = "0" * 24 + "01000000"
MAPPED = "0" * 16 + "FFFF0000"
"""127., ::1 and ::ffff: as the kernel writes them, each 32 bits with the last byte first."""


def listening_ports(tables):
    """Ports that others can reach, of the text of /proc/net/tcp and /proc/net/tcp6."""
    rows = [line.split() for line in tables.splitlines()]
    bound = [row[1].split(":") for row in rows if len(row) > 3 and row[3] == LISTENS]
    return {int(port, 16) for address, port in bound if not _is_own(address)}


def _is_own(address):
    is_v4 = len(address) == len("0100007F") or address.startswith(MAPPED)
    return address == OWN_6 or (is_v4 and address.endswith(OWN))


def answers(places):
    """What ports say, in plain text or over TLS, to one who has no certificate, token or password.

    Args:
        places: (host, port) of each, by what it is called.
    Returns:
        Name to answers; refusals are left out, and who only refuses.
    """
    asked = [(name, place, word, encrypted) for name, place in places.items() for word in WORDS for encrypted in (False, True)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        said = pool.map(lambda each: _said(*each[1], each[2], encrypted=each[3]), asked)
    found = {}
    for (name, *_), answer in zip(asked, said, strict=True):
        if answer and not _is_refusal(answer):
            found.setdefault(name, []).append(answer)
    return found


def _said(host, port, word, *, encrypted):
    answer = b""
    with contextlib.suppress(ssl.SSLError, ConnectionError, TimeoutError), contextlib.ExitStack() as stack:
        peer = stack.enter_context(socket.create_connection((host, port), SILENCE_S))
        if encrypted:
            peer = stack.enter_context(_credulous().wrap_socket(peer))
        peer.sendall(word)
        while len(answer) < 1000 and (more := peer.recv(1000)):
            answer += more
    return answer


@functools.cache
def _credulous():
    """Takes any certificate: whose it is, is tested elsewhere."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _is_refusal(answer):
    if answer.startswith(b"HTTP/"):
        return answer.split(maxsplit=2)[1:2] in [[code] for code in REFUSALS]
    return answer.startswith(TLS_ALERT)
