"""What a channel model is, and the one the paper takes: path loss with Rayleigh fading."""

from __future__ import annotations

from typing import Protocol

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
        """Writes `state.power_w` for the active UEs (`state.member`): W on one RB of each block, from every O-DU, if it sends."""


class RayleighChannel:
    """Distance to the power -3.76 and |h|^2 ~ Exp(1), independent per frame, UE, O-DU and block of four RBs (paper eq. 1)."""

    name = "rayleigh"

    def begin_episode(self, network: Network, state: State) -> None:
        """Nothing is kept."""

    def receive(self, network: Network, state: State) -> None:
        kernels_channel.receive(network, state)
