"""TLS for what is not gRPC: `ssl` contexts with a part's own certificate that follow its files."""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from ric_sim.domain.errors import CertificateUnusable
from services.common.tls import CA_FILE, CERTIFICATE_FILE, KEY_FILE, TlsFiles


class RenewedTls:
    """The context of one end, made anew when its files were replaced: ask for `context` at every handshake."""

    def __init__(self, folder: Path, *, serves: bool, verifies: bool) -> None:
        """
        Args:
            folder: with ca.crt, tls.crt and tls.key (`services.common.tls`).
            serves: it answers connections; else it opens them, and wants the name it asked for in the peer's certificate.
            verifies: the peer needs a certificate of the same CA.
        Raises:
            CertificateUnusable: a file that is missing, expired or does not fit the others.
        """
        self._folder, self._serves, self._verifies = folder, serves, verifies
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
        if self._verifies:
            context.verify_mode = ssl.CERT_REQUIRED
        try:
            if self._verifies:
                context.load_verify_locations(self._folder / CA_FILE)
            context.load_cert_chain(self._folder / CERTIFICATE_FILE, self._folder / KEY_FILE)
        except (OSError, ssl.SSLError) as error:
            raise CertificateUnusable(f"{self._folder}: {error}: `ricity certs create` makes its files") from error
        return context


class MutualTls(RenewedTls):
    """Wants a certificate of the same CA in return."""

    def __init__(self, folder: Path, *, serves: bool) -> None:
        """As of `RenewedTls`."""
        super().__init__(folder, serves=serves, verifies=True)


class HttpsTls(RenewedTls):
    """Serves whoever comes, as a browser does without a certificate of its own."""

    def __init__(self, folder: Path) -> None:
        """As of `RenewedTls`."""
        super().__init__(folder, serves=True, verifies=False)

    def lasting(self) -> ssl.SSLContext:
        """For a server that takes one context for its life: every handshake on it presents the certificate of `context`."""
        first = self.context()

        def take_up(connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self.context()

        first.sni_callback = take_up  # called at every handshake, also of a client that names no server
        return first
