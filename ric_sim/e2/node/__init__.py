"""The emulated E2 nodes: one agent raises the requests of a day, holds the association with the RIC and keeps the ledger."""
