"""What folds are given besides messages and state: from the settings, and from the files that these name."""

from collections.abc import Sequence
from functools import cached_property
from importlib import resources
from importlib.metadata import version
from typing import Any

from pipelines.core.errors import InvalidRules
from pipelines.core.rules import AnyRule, Rules, load_rules, tables_of
from pipelines.core.sectors import Sectors, sectors_of
from pipelines.core.suspects import Thresholds
from pipelines.core.terms import Configured, Offers
from pipelines.errors import UnusableRules
from pipelines.settings import PipelineSettings
from schemas.structs import Terms
from schemas.terms import DealCounting
from schemas.topics import Topic

_PACKAGE = resources.files("pipelines")


class Parameters:
    """The parameters of one process. Files are read when a fold first needs what is in them."""

    def __init__(self, settings: PipelineSettings) -> None:
        self._settings = settings

    def offers(
        self,
        source: Topic[Any],
        *,
        thresholds: Thresholds | None = None,
        sectors: Sectors | None = None,
        rules: Sequence[AnyRule] | None = None,
        put_through_counter: DealCounting | None = None,
    ) -> Offers:
        """The terms for the fold over ``source``, of which it uses what is given here."""
        terms = Terms(
            release=version("stock-tracker"),
            correction_percent=None if thresholds is None else thresholds.correction_percent,
            reset_percent=None if thresholds is None else thresholds.reset_percent,
            # In one order, however the file has them: what is the same is written the same.
            sectors=None if sectors is None else dict(sorted(sectors.items())),
            rules=None if rules is None else tables_of(rules),
            put_through_counter=put_through_counter,
        )
        return Configured(source.name, terms, forced=self._settings.force_terms)

    @property
    def thresholds(self) -> Thresholds:
        """What decides about a counter that fell."""
        return self._settings.thresholds

    @property
    def put_through_counter(self) -> DealCounting:
        """What is known beforehand of how put-through deals are counted."""
        return self._settings.put_through_counter

    @cached_property
    def sectors(self) -> Sectors:
        """The sectors of ``pipelines/sectors.toml``."""
        return sectors_of((_PACKAGE / "sectors.toml").read_text(encoding="utf-8"))

    @cached_property
    def rules(self) -> Rules:
        """The alert rules: those of PIPELINE_ALERT_RULES or, where that names no file, of ``pipelines/alerts.toml``.

        Raises:
            UnusableRules: The file is not there, or something in it is wrong.
        """
        source = self._settings.alert_rules or _PACKAGE / "alerts.toml"
        try:
            return load_rules(source.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise UnusableRules(str(source), (str(error),)) from error
        except InvalidRules as error:
            raise UnusableRules(str(source), error.problems) from error
