"""Slicing agents that learn: stacked soft actor-critic with one global critic, and sharpness-aware steps where they are due."""
