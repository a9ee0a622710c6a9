"""Kubernetes' own programs. They are found in the folder that RICITY_TEST_KUBERNETES_BIN names: `make test-kubernetes`."""

import os
from pathlib import Path

import pytest

from tests.e2e.kubernetes.cluster import Cluster


@pytest.fixture(scope="session")
def programs():
    named = os.environ.get("RICITY_TEST_KUBERNETES_BIN", "")
    assert named, "set RICITY_TEST_KUBERNETES_BIN to a folder with kube-apiserver: tests/e2e/kubernetes/build.sh makes one"
    return Path(named).resolve()


@pytest.fixture(scope="session")
def cluster(programs, tmp_path_factory):
    opened = Cluster(tmp_path_factory.mktemp("cluster"), programs)
    yield opened
    opened.close()
