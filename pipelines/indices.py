"""The indices pipeline: indices, the futures on them, and the basis between the two.

ssi.indices → market.indices, market.basis, state.indices, state.basis      by the index's shard
            → market.trades, market.quotes, market.daily, state.prices      for the futures
"""

from functools import partial

from pipelines.application import Pipeline, Topology
from pipelines.core.index_shard import fold_frame
from pipelines.settings import PipelineSettings
from schemas.topics import (
    MARKET_BASIS,
    MARKET_DAILY,
    MARKET_INDICES,
    MARKET_QUOTES,
    MARKET_TRADES,
    SSI_INDICES,
    STATE_BASIS,
    STATE_INDICES,
    STATE_PRICES,
)

_SINKS = (MARKET_INDICES, MARKET_BASIS, MARKET_TRADES, MARKET_QUOTES, MARKET_DAILY, STATE_INDICES, STATE_BASIS, STATE_PRICES)


def pipeline(settings: PipelineSettings) -> Pipeline:
    """One topology; ``settings`` decide about counters of futures that fell."""
    return Pipeline("indices", (Topology(SSI_INDICES, _SINKS, partial(fold_frame, thresholds=settings.thresholds)),))
