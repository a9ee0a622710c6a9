"""Local episodes: what learned agents observe and do, for one request in a live xApp and for thousands in lockstep alike."""
