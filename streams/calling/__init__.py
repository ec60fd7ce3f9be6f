"""Calls of models: each made at most once, counted, within its budget, and with somebody to stand in."""
