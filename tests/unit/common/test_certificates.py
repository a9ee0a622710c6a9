"""Certificates as they are made, kept and renewed, and what a part says to files that it cannot use."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ric_sim.domain.errors import CertificateUnusable, MalformedFile, OutOfRange
from ric_sim.e2.scopes import PeerIdentity
from services.common.certificates import STATUS_NAME, CertificateAuthority, Leaf, issued_in
from services.common.tls import TlsFiles, is_loopback

RIC = Leaf(PeerIdentity("part", "ric"), serves=True)
XAPP = Leaf(PeerIdentity("xapp", "routing-video"))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "certs"


def certificate_in(folder):
    return x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())


def uses(certificate):
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_a_server_is_found_by_its_name_and_a_mere_client_is_no_server(folder):
    authority = CertificateAuthority(folder)
    authority.ensure(RIC)
    authority.ensure(XAPP)
    ric, xapp = certificate_in(folder / "ric"), certificate_in(folder / "routing-video")
    names = ric.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ric", STATUS_NAME, "localhost"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["ricity://part/ric"]
    assert ExtendedKeyUsageOID.SERVER_AUTH in uses(ric)
    assert uses(xapp) == {ExtendedKeyUsageOID.CLIENT_AUTH}


def test_keys_are_their_owners_alone(folder):
    CertificateAuthority(folder).ensure(RIC)
    for path in folder.rglob("*.key"):
        assert path.stat().st_mode & 0o777 == 0o600, path
        assert path.parent.stat().st_mode & 0o777 == 0o700, path


def test_a_key_for_another_user_is_its_groups_too_and_nobody_elses(folder):
    CertificateAuthority(folder).ensure(Leaf(PeerIdentity("part", "store"), serves=True, is_shared=True))
    assert (folder / "store").stat().st_mode & 0o777 == 0o750
    assert (folder / "store" / "tls.key").stat().st_mode & 0o777 == 0o640


def test_what_is_sound_is_kept(folder):
    CertificateAuthority(folder).ensure(RIC)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert not CertificateAuthority(folder).ensure(RIC).is_new
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_certificate_late_in_its_life_is_renewed(folder):
    now = datetime.now(UTC)
    CertificateAuthority(folder, now=now).ensure(RIC, days=100)
    assert not CertificateAuthority(folder, now=now + timedelta(days=74)).ensure(RIC, days=100).is_new
    renewed = CertificateAuthority(folder, now=now + timedelta(days=76)).ensure(RIC, days=100)
    assert renewed.is_new
    assert renewed.not_after == certificate_in(folder / "ric").not_valid_after_utc


@pytest.mark.parametrize("name", ["tls.crt", "tls.key", "ca.crt"])
def test_a_damaged_or_missing_file_is_made_anew(folder, name):
    authority = CertificateAuthority(folder)
    authority.ensure(RIC)
    (folder / "ric" / name).write_text("damaged")
    assert authority.ensure(RIC).is_new
    (folder / "ric" / name).unlink()
    assert authority.ensure(RIC).is_new
    TlsFiles.read(folder / "ric")


def test_another_address_makes_another_certificate(folder):
    authority = CertificateAuthority(folder)
    authority.ensure(RIC)
    assert authority.ensure(Leaf(RIC.identity, serves=True, addresses=("ric.example", "192.0.2.7"))).is_new


def test_none_outlives_its_root(folder):
    authority = CertificateAuthority(folder, now=datetime.now(UTC) - timedelta(days=3000))
    assert authority.ensure(RIC, days=3650).not_after == authority.not_after
    assert not authority.ensure(RIC, days=3650).is_new


def test_a_root_without_its_key_or_past_its_time_is_not_used(folder):
    CertificateAuthority(folder, now=datetime.now(UTC) - timedelta(days=4000))
    with pytest.raises(CertificateUnusable, match="expired"):
        CertificateAuthority(folder)
    (folder / "ca" / "ca.key").unlink()
    with pytest.raises(CertificateUnusable, match="make all anew"):
        CertificateAuthority(folder)


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_impossible_lives_are_refused(folder, days):
    with pytest.raises(OutOfRange, match="1 to 3650"):
        CertificateAuthority(folder).ensure(RIC, days=days)
    assert not (folder / "ric").exists()


@pytest.mark.parametrize("name", ["", "..", "a/b", "UPPER", "x" * 65, "a b", "ü"])
def test_a_name_that_could_lead_elsewhere_is_no_identity(name):
    with pytest.raises(MalformedFile):
        PeerIdentity("xapp", name)


def test_a_folder_tells_what_it_holds(folder):
    authority = CertificateAuthority(folder)
    authority.ensure(XAPP, days=10)
    ca, leaf = issued_in(folder)
    assert (ca.name, ca.not_after) == ("ca", authority.not_after)
    assert leaf.identity == "ricity://xapp/routing-video"
    assert timedelta(days=9) < leaf.not_after - datetime.now(UTC) <= timedelta(days=10)


def test_files_that_do_not_fit_each_other_are_refused(tmp_path):
    one, other = (CertificateAuthority(tmp_path / name) for name in ("one", "other"))
    for authority in (one, other):
        authority.ensure(RIC)
        authority.ensure(XAPP)
    mixed = tmp_path / "one" / "ric"
    TlsFiles.read(mixed)
    (mixed / "ca.crt").write_bytes((tmp_path / "other" / "ric" / "ca.crt").read_bytes())
    with pytest.raises(CertificateUnusable, match="do not fit each other"):
        TlsFiles.read(mixed)
    one.ensure(RIC)
    (mixed / "tls.key").write_bytes((tmp_path / "one" / "routing-video" / "tls.key").read_bytes())
    with pytest.raises(CertificateUnusable, match="is not the key of"):
        TlsFiles.read(mixed)
    os.remove(mixed / "tls.key")
    with pytest.raises(CertificateUnusable, match="ricity certs create"):
        TlsFiles.read(mixed)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_what_stays_on_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "ric", "localhost.example", ""])
def test_what_leaves_it(host):
    assert not is_loopback(host)
