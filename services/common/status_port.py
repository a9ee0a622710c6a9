"""The HTTP port of every process: `/metrics`, `/ric/v1/health/alive`, `/ric/v1/health/ready`.

With `RICITY_TLS_DIR` it is https and answers those only who have a certificate of the deployment's CA.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import structlog
from prometheus_client import make_wsgi_app

from services.common.settings import ProcessSettings
from services.common.tls import check_plain
from services.common.tls_context import MutualTls

SILENCE_S = 10.0
"""How long a peer may take to shake hands, to ask, or to read the answer."""


class _QuietHandler(WSGIRequestHandler):
    timeout = SILENCE_S

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes and health checks are not worth a log line each."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler], tls: MutualTls | None = None) -> None:
        super().__init__(address, handler)
        self._tls = tls

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Runs in the connection's own thread, so that who does not shake hands keeps nobody else waiting."""
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(SILENCE_S)
        with self._tls.context().wrap_socket(request, server_side=True) as encrypted:
            super().finish_request(encrypted, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer without a certificate, or one that left, is not worth a log line either; a defect is."""
        if not isinstance(sys.exception(), OSError):
            structlog.get_logger().error("status_port.failed", exc_info=True)


class StatusPort:
    """Serves until `close`; runs in a daemon thread of its own."""

    def __init__(self, settings: ProcessSettings, *, is_ready: Callable[[], bool]) -> None:
        """
        Raises:
            CertificateUnusable: of `RICITY_TLS_DIR`. InvalidInput: plain text for other machines.
        """
        tls = None if settings.tls_dir is None else MutualTls(settings.tls_dir, serves=True)
        if tls is None:
            check_plain(settings.host, insecure=settings.insecure, doing=f"serve metrics and health on {settings.host}")
        self._is_ready = is_ready
        self._metrics = make_wsgi_app()
        self._server = _Server((settings.host, settings.status_port), _QuietHandler, tls)
        self._server.set_app(self._answer)
        self.port = self._server.server_port
        serve = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="status-port", daemon=True
        )
        serve.start()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return self._metrics(environ, start_response)
        if path == "/ric/v1/health/alive":
            return _plain(start_response, "200 OK", b"alive\n")
        if path == "/ric/v1/health/ready":
            if self._is_ready():
                return _plain(start_response, "200 OK", b"ready\n")
            return _plain(start_response, "503 Service Unavailable", b"not ready\n")
        return _plain(start_response, "404 Not Found", b"try /metrics, /ric/v1/health/alive or /ric/v1/health/ready\n")

    def close(self) -> None:
        """Stops serving and frees the port."""
        self._server.shutdown()
        self._server.server_close()


def _plain(start_response: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
    return [body]
