"""Proves again and again, while the system runs, that the commit log holds; says in metrics when it does not."""
