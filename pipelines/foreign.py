"""The foreign pipeline: what foreigners bought and sold, by symbol and in all.

ssi.foreign  → market.foreign, state.foreign, partial.flow      by shard
partial.flow → market.flow, state.flow                          all shards together
"""

from functools import partial

from pipelines.application import Pipeline, Topology
from pipelines.core.flow import fold_partial
from pipelines.core.foreign_shard import fold_frame
from pipelines.settings import PipelineSettings
from schemas.topics import MARKET_FLOW, MARKET_FOREIGN, PARTIAL_FLOW, SSI_FOREIGN, STATE_FLOW, STATE_FOREIGN


def pipeline(settings: PipelineSettings) -> Pipeline:
    """Both stages, in one application: the second is cheap, and needs all shards of the first."""
    return Pipeline(
        "foreign",
        (
            Topology(
                SSI_FOREIGN, (MARKET_FOREIGN, STATE_FOREIGN, PARTIAL_FLOW), partial(fold_frame, thresholds=settings.thresholds)
            ),
            Topology(PARTIAL_FLOW, (MARKET_FLOW, STATE_FLOW), fold_partial),
        ),
    )
