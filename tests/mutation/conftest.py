"""One day for all faults."""

import pytest

from tests.mutation.simulated_day import Outputs, Records, folded, records


@pytest.fixture(scope="session")
def day() -> Records:
    """The frames of the day."""
    return records()


@pytest.fixture(scope="session")
def published(day: Records) -> Outputs:
    """What the pipelines publish of it, as they should; do not change it."""
    return folded(day)
