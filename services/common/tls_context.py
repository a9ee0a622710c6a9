"""Mutual TLS for what is not gRPC: an `ssl` context with a part's own certificate that wants one of the same CA in return."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from ric_sim.domain.errors import CertificateUnusable
from services.common.tls import CA_FILE, CERTIFICATE_FILE, KEY_FILE, TlsFiles


class MutualTls:
    """The context of one end, made anew when its files were replaced: ask for `context` at every handshake."""

    def __init__(self, folder: Path, *, serves: bool) -> None:
        """
        Args:
            folder: with ca.crt, tls.crt and tls.key (`services.common.tls`).
            serves: it answers connections; else it opens them, and wants the name it asked for in the peer's certificate.
        Raises:
            CertificateUnusable: a file that is missing, expired or does not fit the others.
        """
        self._folder, self._serves = folder, serves
        self._stamp = TlsFiles.stamp(folder)
        self._context = self._made()

    def context(self) -> ssl.SSLContext:
        """What the next handshake is to use. Files that are half replaced change nothing: the last that held goes on."""
        stamp = TlsFiles.stamp(self._folder)
        if stamp != self._stamp:
            try:
                self._context, self._stamp = self._made(), stamp
            except CertificateUnusable as error:
                structlog.get_logger().error("tls.unusable", error=str(error))
        return self._context

    def _made(self) -> ssl.SSLContext:
        TlsFiles.read(self._folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if self._serves else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(self._folder / CA_FILE)
            context.load_cert_chain(self._folder / CERTIFICATE_FILE, self._folder / KEY_FILE)
        except (OSError, ssl.SSLError) as error:
            raise CertificateUnusable(f"{self._folder}: {error}: `ricity certs create` makes its files") from error
        return context
