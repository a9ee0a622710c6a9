"""The operator's console: one page that shows the running system, and changes A1 policies."""
