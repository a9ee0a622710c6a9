"""A certificate authority of one's own: one root, one certificate per part, each in the folder that the part is given.

    <folder>/ca/            ca.crt and ca.key; stays where certificates are made
    <folder>/scopes.yaml    who may do what (ric_sim.e2.scopes)
    <folder>/<part>/        ca.crt, tls.crt, tls.key; scopes.yaml for those that serve gRPC

Keys are P-256, readable by their owner only, or by its group too where the process is not one of ours and runs as another user.
Who serves answers to its own name and to names of machines; who only calls has a certificate that no client takes for a server's.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ric_sim.domain.errors import CertificateUnusable, OutOfRange
from ric_sim.e2.scopes import PeerIdentity
from services.common.tls import CA_FILE, CERTIFICATE_FILE, KEY_FILE

DEFAULT_DAYS, MAX_DAYS = 365, 3650
CA_DAYS = 3650
RENEWED_BEFORE_RATIO = 0.25
"""A certificate with less than this part of its life left is made anew."""

CLOCK_SKEW = timedelta(minutes=5)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
STATUS_NAME = "ricity-status"
"""A DNS name in the certificate of all that serve: what finds status ports by their addresses asks for all by this one."""

_CA_FOLDER, _CA_KEY = "ca", "ca.key"


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate is made for.

    Attributes:
        identity: its URI; its name is the folder's, too.
        serves: it answers calls, under its name and `addresses`.
        addresses: DNS names and IP addresses.
        is_shared: its process runs as another user, whose group may read the key.
    """

    identity: PeerIdentity
    serves: bool = False
    addresses: tuple[str, ...] = ()
    is_shared: bool = False

    @property
    def names(self) -> list[x509.GeneralName]:
        """The subject alternative name: the identity, then what it answers to."""
        uri: list[x509.GeneralName] = [x509.UniformResourceIdentifier(self.identity.uri)]
        addresses = dict.fromkeys((self.identity.name, STATUS_NAME, *LOCAL_NAMES, *self.addresses)) if self.serves else ()
        return uri + [_general_name(address) for address in addresses]


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate as it lies in its folder; times in UTC."""

    name: str
    identity: str
    not_after: datetime
    is_new: bool = False


class CertificateAuthority:
    """The root in a folder, and what it signs."""

    def __init__(self, folder: Path, *, now: datetime | None = None) -> None:
        """Opens the root, or makes it if there is none. Raises `CertificateUnusable` for one that cannot be used."""
        self.folder, self._now = folder, now or datetime.now(UTC)
        root = folder / _CA_FOLDER
        if not (root / CA_FILE).exists() and not (root / _CA_KEY).exists():
            self._create(root)
        try:
            self._certificate = x509.load_pem_x509_certificate((root / CA_FILE).read_bytes())
            self._key: Any = load_pem_private_key((root / _CA_KEY).read_bytes(), password=None)
        except (OSError, ValueError) as error:
            raise CertificateUnusable(f"{root}: the root cannot be read ({error}): remove {folder} and make all anew") from error
        if self._certificate.not_valid_after_utc <= self._now:
            raise CertificateUnusable(
                f"{root / CA_FILE}: expired at {self.not_after:%Y-%m-%d}: remove {folder} and make all anew"
            )

    @property
    def not_after(self) -> datetime:
        """When the root expires, UTC."""
        return self._certificate.not_valid_after_utc

    def ensure(self, leaf: Leaf, *, days: int = DEFAULT_DAYS) -> Issued:
        """The certificate of a part: what lies there if it is sound and fresh, else a new one with a new key.

        Raises:
            OutOfRange: `days` outside 1 to `MAX_DAYS`.
        """
        if not 1 <= days <= MAX_DAYS:
            raise OutOfRange(f"{days} days: expected 1 to {MAX_DAYS}")
        folder = self.folder / leaf.identity.name
        held = self._held(folder)
        if held is not None and self._is_good(held, leaf):
            return Issued(folder.name, leaf.identity.uri, held.not_valid_after_utc)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(leaf, key, min(self._now + timedelta(days=days), self.not_after))
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o750 if leaf.is_shared else 0o700)
        _write(folder / CA_FILE, self._certificate.public_bytes(Encoding.PEM))
        _write_key(folder / KEY_FILE, key, mode=0o640 if leaf.is_shared else 0o600)
        _write(folder / CERTIFICATE_FILE, certificate.public_bytes(Encoding.PEM))
        return Issued(folder.name, leaf.identity.uri, certificate.not_valid_after_utc, is_new=True)

    def _create(self, root: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ricity root")])
        certificate = (
            _builder(name, name, key, self._now, self._now + timedelta(days=CA_DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)
        _write_key(root / _CA_KEY, key)
        _write(root / CA_FILE, certificate.public_bytes(Encoding.PEM))

    def _sign(self, leaf: Leaf, key: ec.EllipticCurvePrivateKey, not_after: datetime) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, leaf.identity.name)])
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if leaf.serves else [])]
        return (
            _builder(name, self._certificate.subject, key, self._now, not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(leaf.names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def _held(self, folder: Path) -> x509.Certificate | None:
        """The certificate of a folder, None if one of its files is missing or damaged."""
        try:
            certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE_FILE).read_bytes())
            key = load_pem_private_key((folder / KEY_FILE).read_bytes(), password=None)
            ca = (folder / CA_FILE).read_bytes()
        except (OSError, ValueError):
            return None
        is_whole = key.public_key() == certificate.public_key() and ca == self._certificate.public_bytes(Encoding.PEM)
        return certificate if is_whole else None

    def _is_good(self, held: x509.Certificate, leaf: Leaf) -> bool:
        try:
            held.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        life = held.not_valid_after_utc - held.not_valid_before_utc
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        is_fresh = held.not_valid_after_utc - self._now > RENEWED_BEFORE_RATIO * life
        return (is_fresh or held.not_valid_after_utc >= self.not_after) and list(names) == leaf.names


def issued_in(folder: Path) -> list[Issued]:
    """The certificates of a folder, the root first. Raises `CertificateUnusable` for one that is no certificate."""
    leaves = sorted(folder.glob(f"*/{CERTIFICATE_FILE}"))
    return [_issued(folder / _CA_FOLDER / CA_FILE, "ca"), *(_issued(path, path.parent.name) for path in leaves)]


def _issued(path: Path, name: str) -> Issued:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateUnusable(f"{path}: cannot be read ({error}): make it with `ricity certs create`") from error
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        identity = next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), "")
    except x509.ExtensionNotFound:
        identity = ""
    return Issued(name, identity, certificate.not_valid_after_utc)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, not_after: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(not_after)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(address: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def write_all(paths: Iterable[Path], content: bytes) -> None:
    """Writes the same content to several files, each at once and only where it differs."""
    for path in paths:
        if not path.exists() or path.read_bytes() != content:
            _write(path, content)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey, *, mode: int = 0o600) -> None:
    _write(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), mode=mode)


def _write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replaces a file at once; it never exists with a wider mode."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask is: a group that is to read can
        file.write(content)
    part.replace(path)
