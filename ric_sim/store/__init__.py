"""The shared resource store: one door (`commit`) to every link and every core of the city."""
