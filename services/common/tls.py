"""How a process meets its peers: mutual TLS with the files of one folder, or plain text on purpose.

The folder (`RICITY_TLS_DIR`) is laid out as a Kubernetes TLS secret: `ca.crt`, `tls.crt`, `tls.key`; beside them, for a part
that serves gRPC, `scopes.yaml`. Certificate, key and scopes are read again when they change: servers take up a renewed
certificate at the next handshake, channels of an event loop at their next call. A `blocking_channel` holds what it was made with.
"""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import structlog

from ric_sim.domain.errors import CertificateUnusable, InvalidInput
from ric_sim.e2.scopes import Access, OpenAccess, ScopeBook
from services.common.channel import CHANNEL_OPTIONS
from services.common.renewing_channel import RenewingChannel

CA_FILE, CERTIFICATE_FILE, KEY_FILE, SCOPES_FILE = "ca.crt", "tls.crt", "tls.key", "scopes.yaml"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Contents of a part's folder, PEM."""

    ca: bytes
    certificate: bytes
    key: bytes

    @classmethod
    def read(cls, folder: Path) -> TlsFiles:
        """Raises `CertificateUnusable`: a file that is missing, a key of another certificate, not valid now, another CA's."""
        try:
            files = cls(*((folder / name).read_bytes() for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE)))
        except OSError as error:
            raise CertificateUnusable(
                f"{folder}: {error.strerror}: {error.filename}; `ricity certs create` makes {CA_FILE}, {CERTIFICATE_FILE} "
                f"and {KEY_FILE} of every part"
            ) from error
        files.check(folder)
        return files

    @staticmethod
    def stamp(folder: Path) -> tuple[int, ...]:
        """Changes when a file of the folder does: times of modification, ns; 0 for a file that is missing."""
        files = (folder / name for name in (CA_FILE, CERTIFICATE_FILE, KEY_FILE))
        return tuple(file.stat().st_mtime_ns if file.exists() else 0 for file in files)

    def check(self, folder: Path) -> None:
        """As of `read`."""
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            ca, leaf = x509.load_pem_x509_certificate(self.ca), x509.load_pem_x509_certificate(self.certificate)
            key = load_pem_private_key(self.key, password=None)
            leaf.verify_directly_issued_by(ca)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise CertificateUnusable(
                f"{folder}: {CERTIFICATE_FILE}, {KEY_FILE} and {CA_FILE} do not fit each other "
                f"({error or 'signed by another CA'}): take all three from one `ricity certs create`"
            ) from error
        if key.public_key() != leaf.public_key():
            raise CertificateUnusable(f"{folder}: {KEY_FILE} is not the key of {CERTIFICATE_FILE}: take both from one folder")
        now = datetime.now(UTC)
        for name, each in ((CERTIFICATE_FILE, leaf), (CA_FILE, ca)):
            if not each.not_valid_before_utc <= now <= each.not_valid_after_utc:
                raise CertificateUnusable(
                    f"{folder / name}: valid from {each.not_valid_before_utc:%Y-%m-%d %H:%M} to "
                    f"{each.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, now is {now:%Y-%m-%d %H:%M}: `ricity certs create` renews it"
                )


@dataclass(frozen=True, slots=True)
class Transport:
    """What channels and server ports of a process are made of.

    Attributes:
        tls_dir: folder of `TlsFiles`; None: plain text, which does not leave the machine unless `insecure`.
        insecure: plain text may leave the machine.
    """

    tls_dir: Path | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        """Raises `InvalidInput` for settings that contradict each other."""
        if self.tls_dir is not None and self.insecure:
            raise InvalidInput("RICITY_TLS_DIR and RICITY_INSECURE=true contradict each other: set one of them")

    def channel(self, target: str, *, peer: str) -> grpc.aio.Channel:
        """A channel to the part named `peer`; its calls are made with the certificate as it is when they begin.

        Args:
            target: host:port. The certificate that answers there has to be `peer`'s, whatever the address is.
        Raises:
            CertificateUnusable; InvalidInput: plain text to another machine.
        """
        folder = self.tls_dir
        if folder is None:
            self._check_plain(target)
            return grpc.aio.insecure_channel(target, options=list(CHANNEL_OPTIONS))
        return RenewingChannel(
            lambda: grpc.aio.secure_channel(target, _channel_credentials(folder), options=_options(peer)),
            lambda: TlsFiles.stamp(folder),
        )

    def blocking_channel(self, target: str, *, peer: str) -> grpc.Channel:
        """As `channel`, for code without an event loop; holds the certificate it was made with."""
        if self.tls_dir is None:
            self._check_plain(target)
            return grpc.insecure_channel(target, options=list(CHANNEL_OPTIONS))
        return grpc.secure_channel(target, _channel_credentials(self.tls_dir), options=_options(peer))

    def bind(self, server: grpc.aio.Server, *, host: str, port: int) -> int:
        """Opens the server's port; the port it got (0 takes a free one).

        Raises:
            CertificateUnusable; InvalidInput: plain text for other machines.
        """
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if self.tls_dir is None:
            check_plain(host, insecure=self.insecure, doing=f"serve {address}")
            return server.add_insecure_port(address)
        return server.add_secure_port(address, self._server_credentials(self.tls_dir))

    def access(self) -> Access:
        """Who may do what at this process's servers; without certificates everybody everything.

        Raises:
            MalformedFile: scopes.yaml is missing or unusable.
        """
        if self.tls_dir is None:
            return OpenAccess()
        return ScopeBook(self.tls_dir / SCOPES_FILE, log=structlog.get_logger())

    def trusted(self) -> ssl.SSLContext | bool:
        """Who may vouch for an https server, as httpx takes it: the deployment's own CA where there is one, else the public ones.

        Raises:
            CertificateUnusable: the CA cannot be read.
        """
        if self.tls_dir is None:
            return True
        try:
            return ssl.create_default_context(cafile=str(self.tls_dir / CA_FILE))
        except (OSError, ssl.SSLError) as error:
            raise CertificateUnusable(f"{self.tls_dir / CA_FILE}: no CA ({error}): `ricity certs create` makes it") from error

    def _check_plain(self, target: str) -> None:
        check_plain(_host_of(target), insecure=self.insecure, doing=f"talk to {target}")

    @staticmethod
    def _server_credentials(folder: Path) -> Any:
        source = _RenewedFiles(folder)
        return grpc.dynamic_ssl_server_credentials(source.first, source.if_renewed, require_client_authentication=True)


LOOPBACK = Transport()
"""Plain text, to this machine only."""


class _RenewedFiles:
    """Looks at every handshake whether the files were replaced."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp = TlsFiles.stamp(folder)
        self.first = _configuration(TlsFiles.read(folder))

    def if_renewed(self) -> Any:
        """The new configuration, None while the files are as they were. Called from gRPC's threads."""
        stamp = TlsFiles.stamp(self._folder)
        if stamp == self._stamp:
            return None
        try:
            renewed = _configuration(TlsFiles.read(self._folder))
        except CertificateUnusable as error:  # perhaps half replaced: what holds goes on, the next handshake looks again
            structlog.get_logger().error("tls.unusable", error=str(error))
            return None
        self._stamp = stamp
        structlog.get_logger().info("tls.renewed", folder=str(self._folder))
        return renewed


def check_plain(host: str, *, insecure: bool, doing: str) -> None:
    """Raises `InvalidInput` for plain text that would leave this machine without `RICITY_INSECURE=true`."""
    if not insecure and not is_loopback(host):
        raise InvalidInput(
            f"refusing to {doing} without TLS: set RICITY_TLS_DIR to the part's folder of `ricity certs create`, "
            "or RICITY_INSECURE=true to go without"
        )


def is_loopback(host: str) -> bool:
    """Whether what is sent to `host` stays on this machine."""
    if host in ("localhost", "unix"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_of(target: str) -> str:
    return "unix" if target.startswith("unix:") else target.rpartition(":")[0]


def _options(peer: str) -> list[tuple[str, Any]]:
    return [*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", peer)]


def _channel_credentials(folder: Path) -> Any:
    files = TlsFiles.read(folder)
    return grpc.ssl_channel_credentials(files.ca, files.key, files.certificate)


def _configuration(files: TlsFiles) -> Any:
    return grpc.ssl_server_certificate_configuration([(files.key, files.certificate)], root_certificates=files.ca)
