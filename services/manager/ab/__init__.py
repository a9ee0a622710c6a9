"""A/B tests on the live RIC: sticky split, sequential test, guards, and a verdict that is carried out."""
