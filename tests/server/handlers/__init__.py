"""Tests of the handlers of frames."""
