"""Topology, traffic days, delays, masks and the routing policies of the city."""
