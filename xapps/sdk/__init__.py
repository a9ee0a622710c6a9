"""What an xApp is built from: the agent's interface, the E2 client, the runtime that keeps it attached, its descriptor.

Read `agent.py` first; docs/add-an-xapp.md leads through making one.
"""
