"""Apps that a fixture is played through, where they cannot go on; and whose topics may be deleted."""

from pathlib import Path

import pytest

from stock_tracker.errors import AppEnded
from stock_tracker.golden.apps import Apps
from stock_tracker.kafka.own_topics import delete
from tests.patience import until

NOBODY = {"bootstrap.servers": "127.0.0.1:1"}


def test_an_app_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    with Apps(NOBODY, "t0.", [["prices"]], tmp_path) as apps:

        def has_ended() -> bool:
            try:
                apps.check()
            except AppEnded:
                return True
            return False

        until(has_ended, "the end of an app that has no Kafka")
        with pytest.raises(AppEnded, match="stock-tracker run prices ended with exit code 1") as ended:
            apps.check()
    assert "127.0.0.1:1" in ended.value.tail


@pytest.mark.parametrize("prefix", ["", "t1."])
def test_topics_of_a_prefix_that_others_may_have_are_never_deleted(prefix: str) -> None:
    with pytest.raises(ValueError, match="is no prefix of new_prefix"):
        delete(NOBODY, prefix)
