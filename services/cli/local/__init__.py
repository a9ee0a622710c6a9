"""A whole deployment as local processes: what to start, keeping it alive, playing a day on it, stopping it."""
