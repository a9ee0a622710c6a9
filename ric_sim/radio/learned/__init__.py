"""Learned slicing in serving: an actor's weights as bytes, inference without a learning framework, and the policy they make."""

from ric_sim.radio.learned.actor import ActorStack
from ric_sim.radio.learned.policy import LearnedSlicing, load_slicing
from ric_sim.radio.learned.starting import SHIPPED_FOLDER, starting_weights
from ric_sim.radio.learned.weights import (
    ActorSpec,
    ActorWeights,
    actor_file,
    decode_actor,
    encode_actor,
    load_actor,
    save_actor,
)

__all__ = [
    "SHIPPED_FOLDER",
    "ActorSpec",
    "ActorStack",
    "ActorWeights",
    "LearnedSlicing",
    "actor_file",
    "decode_actor",
    "encode_actor",
    "load_actor",
    "load_slicing",
    "save_actor",
    "starting_weights",
]
