"""The RIC simulator: domain, network, store, E2 interface and environments. Knows no torch and no Ray."""
