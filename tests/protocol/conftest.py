"""What the tests of the protocol share: Hypothesis without a stopwatch, which a busy machine would trip."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("protocol", deadline=None)
settings.load_profile("protocol")
