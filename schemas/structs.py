"""The twins of the messages, under the names of their models: what hot paths build, encode and decode.

To a type checker they are the models; at run time they are msgspec Structs (:func:`schemas.message.twin`).
"""

from typing import TYPE_CHECKING

from schemas import events, records, states, terms
from schemas.message import twin

if TYPE_CHECKING:
    from schemas.events import AlertEvent as AlertEvent
    from schemas.events import AlertsFrame as AlertsFrame
    from schemas.events import BasisEvent as BasisEvent
    from schemas.events import BasisFrame as BasisFrame
    from schemas.events import CandleEvent as CandleEvent
    from schemas.events import CandlesFrame as CandlesFrame
    from schemas.events import DailyEvent as DailyEvent
    from schemas.events import DailyFrame as DailyFrame
    from schemas.events import FlowEvent as FlowEvent
    from schemas.events import FlowFrame as FlowFrame
    from schemas.events import FlowSum as FlowSum
    from schemas.events import IndexEvent as IndexEvent
    from schemas.events import IndexFrame as IndexFrame
    from schemas.events import IndexShare as IndexShare
    from schemas.events import LedgerEntry as LedgerEntry
    from schemas.events import LedgerFrame as LedgerFrame
    from schemas.events import Mover as Mover
    from schemas.events import Movers as Movers
    from schemas.events import PartialBreadth as PartialBreadth
    from schemas.events import PartialFlow as PartialFlow
    from schemas.events import QuoteEvent as QuoteEvent
    from schemas.events import QuotesFrame as QuotesFrame
    from schemas.events import TradeEvent as TradeEvent
    from schemas.events import TradesFrame as TradesFrame
    from schemas.records import BarRecord as BarRecord
    from schemas.records import ClockTick as ClockTick
    from schemas.records import DeadLetter as DeadLetter
    from schemas.records import FeedStatus as FeedStatus
    from schemas.records import ForeignRecord as ForeignRecord
    from schemas.records import Frame as Frame
    from schemas.records import IndexRecord as IndexRecord
    from schemas.records import LossMarker as LossMarker
    from schemas.records import OddLotRecord as OddLotRecord
    from schemas.records import ProfileRecord as ProfileRecord
    from schemas.records import QuoteRecord as QuoteRecord
    from schemas.records import ReferenceMessage as ReferenceMessage
    from schemas.records import ReferenceRecord as ReferenceRecord
    from schemas.records import SnapshotRecord as SnapshotRecord
    from schemas.records import StatusRecord as StatusRecord
    from schemas.records import TradeRecord as TradeRecord
    from schemas.states import BasisRow as BasisRow
    from schemas.states import BreadthRow as BreadthRow
    from schemas.states import Candle as Candle
    from schemas.states import FlowRow as FlowRow
    from schemas.states import ForeignRow as ForeignRow
    from schemas.states import IndexRow as IndexRow
    from schemas.states import PhaseSum as PhaseSum
    from schemas.states import PriceRow as PriceRow
    from schemas.states import ShardProgress as ShardProgress
    from schemas.terms import Terms as Terms
    from schemas.terms import TermsAdopted as TermsAdopted
else:
    AlertEvent = twin(events.AlertEvent)
    AlertsFrame = twin(events.AlertsFrame)
    BasisEvent = twin(events.BasisEvent)
    BasisFrame = twin(events.BasisFrame)
    CandleEvent = twin(events.CandleEvent)
    CandlesFrame = twin(events.CandlesFrame)
    DailyEvent = twin(events.DailyEvent)
    DailyFrame = twin(events.DailyFrame)
    FlowEvent = twin(events.FlowEvent)
    FlowFrame = twin(events.FlowFrame)
    FlowSum = twin(events.FlowSum)
    IndexEvent = twin(events.IndexEvent)
    IndexFrame = twin(events.IndexFrame)
    IndexShare = twin(events.IndexShare)
    LedgerEntry = twin(events.LedgerEntry)
    LedgerFrame = twin(events.LedgerFrame)
    Mover = twin(events.Mover)
    Movers = twin(events.Movers)
    PartialBreadth = twin(events.PartialBreadth)
    PartialFlow = twin(events.PartialFlow)
    QuoteEvent = twin(events.QuoteEvent)
    QuotesFrame = twin(events.QuotesFrame)
    TradeEvent = twin(events.TradeEvent)
    TradesFrame = twin(events.TradesFrame)
    BarRecord = twin(records.BarRecord)
    ClockTick = twin(records.ClockTick)
    DeadLetter = twin(records.DeadLetter)
    FeedStatus = twin(records.FeedStatus)
    ForeignRecord = twin(records.ForeignRecord)
    Frame = twin(records.Frame)
    IndexRecord = twin(records.IndexRecord)
    LossMarker = twin(records.LossMarker)
    OddLotRecord = twin(records.OddLotRecord)
    ProfileRecord = twin(records.ProfileRecord)
    QuoteRecord = twin(records.QuoteRecord)
    ReferenceMessage = twin(records.ReferenceMessage)
    ReferenceRecord = twin(records.ReferenceRecord)
    SnapshotRecord = twin(records.SnapshotRecord)
    StatusRecord = twin(records.StatusRecord)
    TradeRecord = twin(records.TradeRecord)
    BasisRow = twin(states.BasisRow)
    BreadthRow = twin(states.BreadthRow)
    Candle = twin(states.Candle)
    FlowRow = twin(states.FlowRow)
    ForeignRow = twin(states.ForeignRow)
    IndexRow = twin(states.IndexRow)
    PhaseSum = twin(states.PhaseSum)
    PriceRow = twin(states.PriceRow)
    ShardProgress = twin(states.ShardProgress)
    Terms = twin(terms.Terms)
    TermsAdopted = twin(terms.TermsAdopted)
