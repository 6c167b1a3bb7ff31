"""Measurements, run by hand: nothing here decides whether a change is right."""
