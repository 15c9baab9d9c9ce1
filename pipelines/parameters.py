"""What folds are given besides messages and state: from the settings, and from the files that these name."""

from functools import cached_property
from importlib import resources

from pipelines.core.errors import InvalidRules
from pipelines.core.rules import Rules, load_rules
from pipelines.core.sectors import Sectors, sectors_of
from pipelines.core.suspects import Thresholds
from pipelines.errors import UnusableRules
from pipelines.settings import PipelineSettings

_PACKAGE = resources.files("pipelines")


class Parameters:
    """The parameters of one process. Files are read when a fold first needs what is in them."""

    def __init__(self, settings: PipelineSettings) -> None:
        self._settings = settings

    @property
    def thresholds(self) -> Thresholds:
        """What decides about a counter that fell."""
        return self._settings.thresholds

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
