"""Whom to ask, how often, and for how much."""
