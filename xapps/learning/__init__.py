"""Learning: networks, PPO and the models behind its rewards. The only packages that know torch are this one and its users."""
