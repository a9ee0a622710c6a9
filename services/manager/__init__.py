"""The manager: what an operator asks of the running system. So far: A1 policies."""
