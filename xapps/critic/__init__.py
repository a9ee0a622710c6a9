"""The critic xApp: one global critic that learns from the experience of all O-DUs and teaches their actors."""
