"""What the archive keeps of instruments: what each was on a day, and the terms that say its sector. Pure.

They are on compacted topics, ``ssi.reference`` and ``pipelines.terms``; the archive has what was on them before.
"""

from dataclasses import dataclass

from schemas.instruments import contract_of, expiry, tick_of
from schemas.structs import ReferenceMessage, TermsAdopted
from schemas.topics import encode
from schemas.units import Exchange, Price, Shares, Symbol, TradingDay


@dataclass(frozen=True, slots=True)
class InstrumentOfDay:
    """What an instrument was on a day."""

    symbol: Symbol
    exchange: Exchange
    day: TradingDay
    name: str | None
    groups: list[str]
    """The indices that it was a member of; empty also where nobody said."""
    sector: str | None
    """As the reference data says; the pipelines' terms have the others."""
    lot: Shares | None
    tick: Price | None
    """Its price step; None on HOSE, where it goes by the price, and for bonds."""
    underlying: Symbol | None
    month: int | None
    """Of a future: its delivery month, YYYYMM."""
    expiry: TradingDay | None
    """Of a future: its last trading day."""
    as_of: TradingDay | None
    """The earlier day on which this was said, where nobody has said it on that day yet."""


@dataclass(frozen=True, slots=True)
class AdoptedTerms:
    """Terms that a shard of a pipeline folds with from a message on."""

    pipeline: str
    found_topic: str
    """The topic that the shard reads; the message is in it."""
    found_partition: int
    found_offset: int
    day: TradingDay
    reason: str
    release: str
    sectors: dict[str, str]
    """The sector of a symbol where reference data does not say; empty where the pipeline does not ask."""
    terms: str
    """All of them, as JSON."""


def instruments_of(message: ReferenceMessage) -> tuple[InstrumentOfDay]:
    """The instrument that a message of ``ssi.reference`` tells of."""
    record = message.record
    contract = contract_of(record.symbol)
    return (
        InstrumentOfDay(
            symbol=record.symbol,
            exchange=record.exchange,
            day=record.trading_day,
            name=record.name,
            groups=record.groups,
            sector=record.sector,
            lot=record.lot,
            tick=_tick(record.exchange),
            underlying=record.underlying,
            month=contract.month if contract else None,
            expiry=record.last_trading_day or expiry(contract.month) if contract else None,
            as_of=record.as_of,
        ),
    )


def terms_of(message: TermsAdopted) -> tuple[AdoptedTerms]:
    """The terms that a message of ``pipelines.terms`` tells of."""
    return (
        AdoptedTerms(
            pipeline=message.pipeline,
            found_topic=message.topic,
            found_partition=message.partition,
            found_offset=message.offset,
            day=message.day,
            reason=message.reason,
            release=message.terms.release,
            sectors=message.terms.sectors or {},
            terms=encode(message.terms).decode(),
        ),
    )


def _tick(exchange: Exchange) -> Price | None:
    return None if exchange in (Exchange.HOSE, Exchange.HNXBOND) else tick_of(0, exchange)
