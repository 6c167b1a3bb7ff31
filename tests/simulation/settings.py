"""Settings of the property tests of the simulation."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings


def chosen(examples: int, **more: Any) -> settings:  # noqa: ANN401 (settings)
    """Return the settings of a test that tries the same few stories in each run, but for a greater number by hand."""
    count = int(os.environ.get("SIMULATION_EXAMPLES", "0"))
    return settings(
        max_examples=count or examples,
        derandomize=not count,
        database=None,
        deadline=None,
        print_blob=bool(count),
        suppress_health_check=list(HealthCheck),
        **more,
    )
