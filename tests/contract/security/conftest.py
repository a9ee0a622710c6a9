"""A certificate folder made as an operator makes it, and a RIC that asks for its certificates."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import grpc
import pytest

from services.cli.main import main
from services.common.tls import Transport
from tests.harness import ric_on_embedded_store


@pytest.fixture(scope="session")
def certs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pki") / "certs"
    assert main(["certs", "create", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def other_certs(tmp_path_factory) -> Path:
    """Of another CA, with the same names."""
    folder = tmp_path_factory.mktemp("other-pki") / "certs"
    assert main(["certs", "create", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
async def ric(certs):
    async with ric_on_embedded_store(tls_dir=certs / "ric") as running:
        yield running


@pytest.fixture
def channel_as(certs, ric):
    """Opens channels to the RIC with the certificate of a part or xApp."""

    def open_as(name: str, folder: Path = certs) -> Any:
        return Transport(folder / name).channel(f"127.0.0.1:{ric.grpc_port}", peer="ric")

    return open_as


def raw_channel(port: int, folder: Path, **parts: bytes | None) -> grpc.aio.Channel:
    """A channel as somebody else's program opens it, without our checks of the files."""
    files = {
        "root_certificates": (folder / "ca.crt").read_bytes(),
        "private_key": (folder / "tls.key").read_bytes(),
        "certificate_chain": (folder / "tls.crt").read_bytes(),
        **parts,
    }
    options = [("grpc.ssl_target_name_override", "ric"), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.aio.secure_channel(f"127.0.0.1:{port}", grpc.ssl_channel_credentials(**files), options=options)


def touch_later(path: Path) -> None:
    """Makes a file look changed, whatever the resolution of the file system's clock."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
