"""The folds of the pipelines, with the terms that were in force: those of ``pipelines.terms``, else those of the settings."""

from collections.abc import Iterable
from functools import partial
from typing import Any, cast

from pipelines.catalogue import CATALOGUE
from pipelines.core.codec import LARGEST
from pipelines.core.errors import TermsUnknown
from pipelines.core.frames import Fold
from pipelines.core.terms import Offers, Recorded
from pipelines.parameters import Parameters
from schemas.position import Position
from schemas.structs import TermsAdopted
from stock_tracker.explain.core.terms import TermsInForce

RECORDED = "pipelines.terms"
SETTINGS = "the settings of this command, because pipelines.terms tells of none"


class PipelineFolds:
    """The folds of all pipelines.

    Args:
        parameters: From the settings of this process.
        adopted: What ``pipelines.terms`` has, where it can be read.
    """

    def __init__(self, parameters: Parameters, adopted: Iterable[TermsAdopted]) -> None:
        self._parameters = parameters
        self._adopted = list(adopted)

    def fold(self, pipeline: str, topic: str, partition: int) -> tuple[Fold[Any], TermsInForce]:
        """The fold of a pipeline over a topic, and the last terms that it has there.

        Raises:
            UnusableRules: It needs alert rules, and they cannot be read.
        """
        topology = next(
            topology
            for each in CATALOGUE
            if each.name == pipeline
            for topology in each.topologies
            if topology.source.name == topic
        )
        made: Any = topology.make_fold(self._parameters)
        offers, origin = self._recorded(pipeline, topic, partition), RECORDED
        if offers is None:
            offers, origin = made.keywords["offers"], SETTINGS
        terms = offers.at(Position(topic, partition, LARGEST)).terms.terms
        return cast(Fold[Any], partial(made.func, **{**made.keywords, "offers": offers})), TermsInForce(topic, terms, origin)

    def folds(self, pipeline: str, partition: int) -> tuple[dict[str, Fold[Any]], list[TermsInForce]]:
        """The folds of a pipeline, by the topic that each reads, and their terms."""
        topologies = next(each for each in CATALOGUE if each.name == pipeline).topologies
        made = {topology.source.name: self.fold(pipeline, topology.source.name, partition) for topology in topologies}
        return {topic: fold for topic, (fold, _) in made.items()}, [terms for _, terms in made.values()]

    def _recorded(self, pipeline: str, topic: str, partition: int) -> Offers | None:
        its = [adopted for adopted in self._adopted if (adopted.pipeline, adopted.topic) == (pipeline, topic)]
        if not its:
            return None
        days = [adopted.day for adopted in its]
        recorded = Recorded(pipeline, topic, its, first_day=min(days), last_day=max(days))
        try:
            recorded.in_force(partition, LARGEST)
        except TermsUnknown:
            return None
        return recorded
