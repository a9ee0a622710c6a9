"""The life of xApps: catalogue, desired state, drivers that start and stop instances, rolling upgrades."""
