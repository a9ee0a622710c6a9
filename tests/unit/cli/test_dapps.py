"""`ricity xapp list --radio`: rows like those of xApps, errors that name the radio network."""

import pytest

from ric_sim.domain.errors import InvalidInput, RicUnreachable
from ricity.e2.v1 import admin_pb2
from ricity.radio.v1 import radio_pb2
from services.cli.dapps import dapp_row, dapp_rows
from services.cli.xapp_command import xapp_row


def test_a_dapp_has_the_fields_of_an_xapp():
    assert list(dapp_row(radio_pb2.DappInfo(du=3))) == list(xapp_row(admin_pb2.XappInfo()))


def test_nobody_there_is_a_radio_network_that_does_not_answer():
    with pytest.raises(RicUnreachable, match=r"no radio network answers at .*--slicing"):
        dapp_rows("127.0.0.1:1")


def test_an_address_that_is_none_is_refused_with_an_example():
    with pytest.raises(InvalidInput, match=r"--radio .radio.: expected host:port, e\.g\. 127\.0\.0\.1:50061"):
        dapp_rows("radio")
