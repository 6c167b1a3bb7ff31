"""Settings for the tests of the protocol: Hypothesis without a deadline, which a busy machine would exceed."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("protocol", deadline=None)
settings.load_profile("protocol")
