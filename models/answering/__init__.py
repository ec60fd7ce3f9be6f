"""Invented questions with known answers, on which answers are fitted."""
