"""The HTTP port of every process: `/metrics`, `/ric/v1/health/alive`, `/ric/v1/health/ready`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes and health checks are not worth a log line each."""


class StatusPort:
    """Serves until `close`; runs in a daemon thread of its own."""

    def __init__(self, *, host: str, port: int, is_ready: Callable[[], bool]) -> None:
        self._is_ready = is_ready
        self._metrics = make_wsgi_app()
        self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_QuietHandler)
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
