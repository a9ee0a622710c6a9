"""From what a run left behind (ledger, log, restarts) to its summary, tables and plots."""
