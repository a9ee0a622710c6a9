"""Frozen types of the field: ids, units, services, flows, routes, errors. No I/O, imports nothing above."""
