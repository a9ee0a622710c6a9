"""The routing xApps: one folder, one process per service, any routing policy."""
