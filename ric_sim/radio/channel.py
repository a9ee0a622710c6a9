"""What a channel model is, the one the paper takes (path loss with Rayleigh fading), and all there are by name."""

from __future__ import annotations

from typing import Protocol

from ric_sim.domain.errors import UnknownKey
from ric_sim.radio import kernels_channel
from ric_sim.radio.arrays import Network, State


class ChannelModel(Protocol):
    """Makes the power that UEs receive; what interferes, is scheduled and is carried follows from it.

    A model draws its random numbers from `State.key`, so that they are the same whatever the O-DUs do.
    """

    name: str

    def begin_episode(self, network: Network, state: State) -> None:
        """Called once the UEs are placed, before the first `receive`: what a model keeps from frame to frame starts here."""

    def receive(self, network: Network, state: State) -> None:
        """Writes `state.power_w` for the active UEs (`state.member`): W on one RB of each block, from every O-DU, if it sends.

        UEs are associated with the nearest O-DU when it is called; a model in which that is not the one received best may write
        `state.serving` and the groups anew.
        """


class RayleighChannel:
    """Distance to the power -3.76 and |h|^2 ~ Exp(1), independent per frame, UE, O-DU and block of four RBs (paper eq. 1)."""

    name = "rayleigh"

    def begin_episode(self, network: Network, state: State) -> None:
        """Nothing is kept."""

    def receive(self, network: Network, state: State) -> None:
        kernels_channel.receive(network, state)


CHANNELS = {
    "rayleigh": "distance to the power -3.76, Rayleigh fading: the paper's",
    "38901": "3GPP TR 38.901 urban microcell, by Sionna (extra `channel38901`); some 0.5 s of CPU per frame and network",
}


def make_channel(name: str) -> ChannelModel:
    """The channel model called `name`.

    Raises:
        UnknownKey: no such model.
        ModuleNotFoundError: it needs a library that is not installed.
    """
    if name not in CHANNELS:
        raise UnknownKey("channel model", name, CHANNELS)
    if name == RayleighChannel.name:
        return RayleighChannel()
    from ric_sim.radio.channel_38901 import UrbanMicroChannel

    return UrbanMicroChannel()
