"""Training: configurations, runs on disk, progress. The algorithms are in `xapps.learning`."""
