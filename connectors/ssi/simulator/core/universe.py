"""What is listed on the simulated market: real tickers with plausible references, the most liquid first.

The VN30 is the basket in force since 2026-08-03. References, share counts and foreign limits are of the right size, but not those
of the real market. The futures are those on VN30 and, in a market of more than :data:`LIGHT_SYMBOLS`, on VN100 that are listed on
the day. That market also has made-up stocks of HOSE, HNX and UPCOM, ETFs and covered warrants, in the proportions of late 2025,
as many as it takes; the first of them are always the same.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import islice
from string import ascii_uppercase
from typing import Literal

from schemas.calendar import HOLIDAYS
from schemas.instruments import FUND_TICK, future_symbol, limits, listed_months, tick_of, warrant_limits
from schemas.units import Exchange, Price, Shares, Symbol, TradingDay

Kind = Literal["stock", "etf", "warrant", "future"]

LIGHT_SYMBOLS = 134
"""Instruments of a light market: 130 stocks and the four futures on VN30."""
FEWEST_SYMBOLS = 60
"""A market has the VN30, five stocks of HNX and four futures at least: the stories are about these."""
MOST_SYMBOLS = 1_900
"""Instruments of a market of true size."""


@dataclass(frozen=True, eq=False)
class Listing:
    """An instrument as the exchange opens the day with it."""

    symbol: Symbol
    exchange: Exchange
    name: str
    reference: Price
    ceiling: Price
    floor: Price
    shares: Shares
    """How many are listed; 0 for a future."""
    free_float: int
    """Percent of ``shares`` that counts in VN30."""
    total_room: Shares
    """How many shares foreigners may hold; 0 where no limit is kept: for futures and covered warrants."""
    room: Shares
    """How many they may still buy when the day opens."""
    weight: float
    """Its part of all the prints of stocks; these parts add up to 1. For a future it is 0 and means nothing."""
    kind: Kind = "stock"
    number: int = 0
    """What SSI calls StockNo."""
    underlying: Symbol | None = None
    """What a future or a covered warrant is on; else None."""

    @cached_property
    def ladder(self) -> tuple[Price, ...]:
        """Every price at which it may trade today, from floor to ceiling."""
        prices = [self.floor]
        while prices[-1] < self.ceiling:
            prices.append(Price(prices[-1] + self.tick_at(prices[-1])))
        return tuple(prices)

    def tick_at(self, price: int) -> Price:
        """The price step at ``price``."""
        return FUND_TICK if self.kind in ("etf", "warrant") else tick_of(price, self.exchange)

    @property
    def is_future(self) -> bool:
        """Whether prices are hundredths of a point, not VND."""
        return self.exchange is Exchange.DER

    @property
    def depth(self) -> int:
        """How many levels of the book the exchange publishes."""
        return 3 if self.exchange is Exchange.HOSE else 10

    def opening_at(self, reference: int) -> "Listing":
        """The same instrument on a day that opens with another reference."""
        by = reference - self.reference
        # The limits of a covered warrant follow from those of what it is on: here they move with its reference.
        ceiling, floor = (
            (Price(self.ceiling + by), Price(max(self.floor + by, FUND_TICK)))
            if self.kind == "warrant"
            else _limits(reference, self.exchange, self.kind)
        )
        return replace(self, reference=Price(reference), ceiling=ceiling, floor=floor)


@dataclass(frozen=True, eq=False)
class IndexListing:
    """An index and what is in it."""

    index_id: str
    """As SSI spells it (HNXIndex); in upper case it is the symbol."""
    exchange: Exchange
    prior: Price
    """The value at which it closed on the day before, in hundredths of a point."""
    index_type: str
    """SSI's IndexType: Main for the index of an exchange, empty for a basket."""
    members: tuple[Listing, ...]
    has_breadth: bool
    """Whether SSI counts advances and declines: it does for the indices of whole exchanges, and sends zeros for VN30."""

    @property
    def symbol(self) -> Symbol:
        """The symbol under which clients subscribe to it."""
        return Symbol(self.index_id.upper())

    def shares_of(self, listing: Listing) -> int:
        """How many shares of a member count, times 100: all that are listed, or in a basket the free float."""
        return listing.shares * (100 if self.has_breadth else listing.free_float)


@dataclass(frozen=True)
class Universe:
    """Everything that is listed on one trading day."""

    stocks: tuple[Listing, ...]
    """ETFs and covered warrants among them, the most liquid first."""
    futures: tuple[Listing, ...]
    """Those on VN30 first, of each underlying the front month first."""
    indices: tuple[IndexListing, ...]

    @cached_property
    def listings(self) -> tuple[Listing, ...]:
        """Stocks, then futures: in this order a subscription to ``ALL`` is answered."""
        return self.stocks + self.futures

    def index(self, index_id: str) -> IndexListing | None:
        """The index that ``index_id`` names, in upper or lower case; None when there is none."""
        return next((index for index in self.indices if index.symbol == index_id.upper()), None)

    def vn30(self) -> tuple[Listing, ...]:
        """The members of VN30, the most liquid first."""
        return next(index.members for index in self.indices if index.index_id == "VN30")


def universe_of(day: TradingDay, symbols: int = LIGHT_SYMBOLS, holidays: frozenset[TradingDay] = HOLIDAYS) -> Universe:
    """List what trades on ``day``: ``symbols`` instruments, from :data:`FEWEST_SYMBOLS` to :data:`MOST_SYMBOLS`."""
    is_light = symbols <= LIGHT_SYMBOLS
    underlyings = ("VN30",) if is_light else ("VN30", "VN100")
    months = listed_months(day, holidays)
    futures = tuple(
        _future(underlying, month, reference)
        for underlying in underlyings
        for month, reference in zip(months, _FUTURES[underlying], strict=True)
    )
    listed = list(islice(_all_stocks(), symbols - len(futures)))
    pulls = [_pull(place) for place in range(len(listed))]
    stocks = tuple(
        replace(stock, weight=pull / sum(pulls), number=number)
        for number, (stock, pull) in enumerate(zip(listed, pulls, strict=True), 1)
    )
    return Universe(stocks, futures, tuple(_indices(stocks, is_light)))


def _indices(stocks: tuple[Listing, ...], is_light: bool) -> Iterator[IndexListing]:
    shares = [stock for stock in stocks if stock.kind == "stock"]
    hose = tuple(stock for stock in shares if stock.exchange is Exchange.HOSE)
    hnx = tuple(stock for stock in shares if stock.exchange is Exchange.HNX)
    yield IndexListing("VNINDEX", Exchange.HOSE, Price(1_880_33), "Main", hose, has_breadth=True)
    yield IndexListing("VN30", Exchange.HOSE, VN30_PRIOR, "", stocks[:_THIRTY], has_breadth=False)
    yield IndexListing("HNXIndex", Exchange.HNX, Price(262_82), "Main", hnx, has_breadth=True)
    if is_light:
        return
    upcom = tuple(stock for stock in shares if stock.exchange is Exchange.UPCOM)
    yield IndexListing("VN100", Exchange.HOSE, VN100_PRIOR, "", hose[:100], has_breadth=False)
    yield IndexListing("HNX30", Exchange.HNX, Price(571_44), "", hnx[:30], has_breadth=False)
    yield IndexListing("HNXUpcomIndex", Exchange.UPCOM, Price(129_31), "Main", upcom, has_breadth=True)


def _pull(place: int) -> float:
    """How often the stock at ``place`` trades, beside others. By Zipf's law, but flatter at its head.

    The busiest of the thirty prints about ten times as often as the last of them; and a market of true size is one of few liquid
    stocks: the ten busiest have a third of its prints.
    """
    if place < _THIRTY:
        return 1 / (place + 3)
    pull = 1 / (1.4 * (place - _THIRTY) + 14)
    return pull if place < _LISTED else pull * (_LISTED / place) ** 0.9


def _all_stocks() -> Iterator[Listing]:
    """The stocks of the tables, then made-up ones without end; the weights are still missing."""
    known = [_stock(row) for row in _rows(_VN30) + _rows(_OTHERS)]
    yield from known
    names = _tickers(frozenset(stock.symbol for stock in known))
    warrants = _warrants(known[:_ON_WARRANTS])
    funds = iter(_FUNDS.split())
    made = dict.fromkeys(_MIX, 0)
    while True:
        # Whichever kind is furthest behind its part of the market comes next.
        kind = min(_MIX, key=lambda kind: (made[kind] + 0.5) / _MIX[kind])
        made[kind] += 1
        if kind == "warrant":
            yield next(warrants)
        elif kind == "etf":
            yield _fund(next(funds))
        else:
            yield _made_up(next(names), Exchange(kind))


def _tickers(taken: frozenset[Symbol]) -> Iterator[Symbol]:
    """Three letters that are no ticker yet, in an order without a pattern; ALL is SSI's word for all symbols."""
    letters = len(ascii_uppercase)
    for n in range(letters**3):
        # The factor has no divisor in common with 26, so that every combination comes once.
        place = n * 7_919 % letters**3
        name = Symbol("".join(ascii_uppercase[place // letters**power % letters] for power in range(3)))
        if name not in taken and name != "ALL":
            yield name


def _warrants(underlyings: list[Listing]) -> Iterator[Listing]:
    """Covered warrants, one on each underlying in turn: CHPG2601, CSSI2601, …, CHPG2602."""
    for series in range(1, 100):
        for stock in underlyings:
            symbol = Symbol(f"C{stock.symbol}26{series:02}")
            dice = _dice(symbol)
            ratio = 2 + dice % 9
            reference = Price(200 + dice // 9 % 380 * 10)
            ceiling, floor = warrant_limits(reference, Fraction(ratio), stock.reference, (stock.ceiling, stock.floor))
            yield Listing(
                symbol=symbol,
                exchange=Exchange.HOSE,
                name=f"Covered warrant on {stock.symbol}, series {series}",
                reference=reference,
                ceiling=ceiling,
                floor=floor,
                shares=Shares((1 + dice % 20) * _MILLION),
                free_float=100,
                total_room=Shares(0),
                room=Shares(0),
                weight=0.0,
                kind="warrant",
                underlying=stock.symbol,
            )


def _fund(symbol: str) -> Listing:
    reference = Price(9_000 + _dice(symbol) % 2_400 * 10)
    ceiling, floor = _limits(reference, Exchange.HOSE, "etf")
    units = Shares((20 + _dice(symbol) % 400) * _MILLION)
    return Listing(
        Symbol(symbol), Exchange.HOSE, f"ETF {symbol}", reference, ceiling, floor, units, 100, units, units, 0.0, kind="etf"
    )


def _made_up(symbol: Symbol, exchange: Exchange) -> Listing:
    dice = _dice(symbol)
    # Most stocks are cheap: the third power of an even draw from 2,000 to 90,000 dong.
    price = 2_000 + int((dice % 1_000 / 1_000) ** 3 * 88_000)
    reference = price // tick_of(price, exchange) * tick_of(price, exchange)
    millions, left = 5 + dice // 1_000 % 400, 40 + dice // 7 % 60
    return _stock([symbol, exchange, str(reference), str(millions), str(30 + dice % 60), "49", str(left), f"{symbol} Corp"])


def _dice(symbol: str) -> int:
    """A number that looks drawn, the same for a symbol every day."""
    return zlib.crc32(symbol.encode())


def _limits(reference: int, exchange: Exchange, kind: Kind) -> tuple[Price, Price]:
    return limits(Price(reference), exchange, tick=FUND_TICK if kind == "etf" else None)


def _rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def _stock(row: list[str]) -> Listing:
    symbol, exchange_name, reference_vnd, millions, free_float, foreign_limit, left, name = row
    exchange, reference, shares = Exchange(exchange_name), Price(int(reference_vnd)), Shares(int(millions) * _MILLION)
    ceiling, floor = limits(reference, exchange)
    total_room = shares * int(foreign_limit) // 100
    return Listing(
        symbol=Symbol(symbol),
        exchange=exchange,
        name=name,
        reference=reference,
        ceiling=ceiling,
        floor=floor,
        shares=shares,
        free_float=int(free_float),
        total_room=Shares(total_room),
        # 0 percent in the table means that 150,000 shares are left: the story ``room`` uses these up.
        room=Shares(total_room * int(left) // 100 if int(left) else 150_000),
        weight=0.0,
    )


def _future(underlying: str, month: int, reference: Price) -> Listing:
    ceiling, floor = limits(reference, Exchange.DER)
    return Listing(
        symbol=future_symbol(underlying, month),
        exchange=Exchange.DER,
        name=f"{underlying} Index Futures {month % 100:02}/{month // 100}",
        reference=reference,
        ceiling=ceiling,
        floor=floor,
        shares=Shares(0),
        free_float=0,
        total_room=Shares(0),
        room=Shares(0),
        weight=0.0,
        kind="future",
        underlying=Symbol(underlying),
    )


_MILLION = 1_000_000
VN30_PRIOR = Price(2_061_75)
"""The value at which VN30 closed on the day before, in hundredths of a point."""
VN100_PRIOR = Price(1_967_20)
"""The value at which VN100 closed on the day before, in hundredths of a point."""
_FUTURES = {
    "VN30": (Price(2_064_60), Price(2_066_10), Price(2_063_20), Price(2_060_00)),
    "VN100": (Price(1_968_40), Price(1_969_00), Price(1_970_70), Price(1_965_00)),
}
"""References of the four futures on each, front month first: the settlement prices of the day before."""
_THIRTY = 30
"""So many of the stocks, the first, are the VN30."""
_LISTED = 130
"""So many stocks are in the tables below."""
_ON_WARRANTS = 20
"""So many of the stocks, the first, have covered warrants on them."""
_MIX: dict[str, int] = {"HOSE": 306, "HNX": 276, "UPCOM": 870, "warrant": 293, "etf": 17}
"""How many of each kind a market of true size has beside the tables below (HOSE, HNX and SSI's lists of late 2025)."""
_FUNDS = """
E1VFVN30 FUEVFVND FUESSVFL FUESSV50 FUESSV30 FUEVN100 FUEMAV30 FUEKIV30 FUEDCMID FUEKIVFS FUEMAVND FUEFCV50 FUEBFVND FUEIP100
FUETCC50 FUEABVND FUETPVND
"""

# symbol | exchange | reference in VND | listed shares in millions | free float % | foreign limit % | of that still free % | name
_VN30 = """
HPG | HOSE | 27100 | 7675 | 55 | 49 | 55 | Hoa Phat Group
SSI | HOSE | 36650 | 2078 | 70 | 100 | 62 | SSI Securities
SHB | HOSE | 16300 | 4594 | 85 | 30 | 80 | Saigon-Hanoi Bank
MBB | HOSE | 25450 | 8055 | 60 | 23 | 0 | Military Bank
VPB | HOSE | 29800 | 7934 | 60 | 30 | 18 | VPBank
TCB | HOSE | 35200 | 7086 | 65 | 23 | 3 | Techcombank
FPT | HOSE | 98300 | 1703 | 85 | 49 | 22 | FPT Corporation
STB | HOSE | 56200 | 1885 | 95 | 30 | 35 | Sacombank
MWG | HOSE | 84500 | 1478 | 80 | 49 | 2 | Mobile World
VHM | HOSE | 98400 | 4107 | 28 | 50 | 78 | Vinhomes
HDB | HOSE | 30750 | 3495 | 80 | 18 | 6 | HDBank
VIC | HOSE | 142000 | 7706 | 25 | 48 | 84 | Vingroup
ACB | HOSE | 24900 | 5137 | 85 | 30 | 1 | Asia Commercial Bank
VCB | HOSE | 59300 | 8356 | 12 | 30 | 24 | Vietcombank
MSN | HOSE | 77800 | 1446 | 55 | 49 | 48 | Masan Group
VRE | HOSE | 31400 | 2272 | 40 | 49 | 64 | Vincom Retail
CTG | HOSE | 36200 | 7767 | 20 | 30 | 14 | VietinBank
VNM | HOSE | 61500 | 2090 | 45 | 100 | 51 | Vinamilk
VIB | HOSE | 18350 | 3404 | 60 | 5 | 1 | Vietnam International Bank
BID | HOSE | 43050 | 7021 | 6 | 30 | 42 | BIDV
VJC | HOSE | 172500 | 592 | 50 | 30 | 45 | VietJet Air
GVR | HOSE | 28350 | 4000 | 5 | 13 | 95 | Vietnam Rubber Group
TCX | HOSE | 46300 | 2311 | 15 | 100 | 96 | Techcom Securities
LPB | HOSE | 42250 | 2987 | 75 | 5 | 83 | LPBank
BSR | HOSE | 19450 | 5007 | 10 | 49 | 97 | Binh Son Refining
GAS | HOSE | 69200 | 2413 | 5 | 49 | 96 | PV Gas
VPL | HOSE | 88600 | 1793 | 15 | 49 | 93 | Vinpearl
SAB | HOSE | 47900 | 1283 | 11 | 100 | 40 | Sabeco
SSB | HOSE | 17650 | 2845 | 55 | 5 | 91 | SeABank
MCH | HOSE | 152300 | 1057 | 25 | 49 | 70 | Masan Consumer
"""

_OTHERS = """
VIX | HOSE | 24150 | 1531 | 95 | 100 | 90 | VIX Securities
SHS | HNX | 21400 | 894 | 90 | 49 | 88 | Saigon-Hanoi Securities
VND | HOSE | 20850 | 1522 | 75 | 100 | 83 | VNDIRECT Securities
DIG | HOSE | 19650 | 646 | 80 | 49 | 92 | DIC Corp
GEX | HOSE | 48500 | 902 | 75 | 49 | 85 | Gelex Group
CEO | HNX | 23800 | 567 | 75 | 49 | 93 | CEO Group
NVL | HOSE | 14250 | 2049 | 60 | 49 | 91 | Novaland
DXG | HOSE | 17900 | 1019 | 85 | 50 | 60 | Dat Xanh Group
EIB | HOSE | 22300 | 1863 | 85 | 30 | 80 | Eximbank
TPB | HOSE | 16950 | 2642 | 60 | 30 | 5 | TPBank
PVS | HNX | 33200 | 478 | 50 | 49 | 62 | PTSC
HCM | HOSE | 23450 | 1080 | 55 | 49 | 25 | HSC Securities
VCI | HOSE | 35900 | 850 | 75 | 100 | 72 | Vietcap Securities
PDR | HOSE | 21250 | 980 | 60 | 49 | 90 | Phat Dat Real Estate
MBS | HNX | 28900 | 659 | 25 | 49 | 86 | MB Securities
KBC | HOSE | 34600 | 942 | 70 | 49 | 52 | Kinh Bac City
GEE | HOSE | 168500 | 366 | 15 | 49 | 97 | Gelex Electric
PLX | HOSE | 34850 | 1270 | 10 | 20 | 15 | Petrolimex
IDC | HNX | 38700 | 380 | 60 | 49 | 55 | IDICO
VSC | HOSE | 21050 | 374 | 85 | 49 | 93 | Vietnam Container
BCM | HOSE | 66300 | 1035 | 5 | 34 | 94 | Becamex IDC
DGC | HOSE | 78400 | 380 | 65 | 49 | 74 | Duc Giang Chemicals
DPM | HOSE | 22150 | 680 | 40 | 49 | 84 | PetroVietnam Fertilizer
HSG | HOSE | 16550 | 621 | 75 | 49 | 82 | Hoa Sen Group
NKG | HOSE | 15300 | 448 | 80 | 50 | 90 | Nam Kim Steel
NAB | HOSE | 14650 | 1716 | 75 | 30 | 93 | Nam A Bank
MSB | HOSE | 12900 | 3120 | 75 | 30 | 4 | Maritime Bank
OCB | HOSE | 12450 | 2663 | 70 | 22 | 3 | Orient Commercial Bank
HAG | HOSE | 16100 | 1268 | 75 | 49 | 95 | Hoang Anh Gia Lai
HUT | HNX | 17100 | 1071 | 75 | 49 | 96 | Tasco
PVD | HOSE | 24400 | 556 | 45 | 49 | 76 | PV Drilling
GMD | HOSE | 62700 | 427 | 85 | 49 | 9 | Gemadept
PNJ | HOSE | 92600 | 341 | 85 | 49 | 1 | Phu Nhuan Jewelry
REE | HOSE | 65100 | 541 | 50 | 49 | 1 | REE Corporation
KDH | HOSE | 33250 | 1122 | 70 | 50 | 28 | Khang Dien House
NLG | HOSE | 36450 | 385 | 70 | 50 | 10 | Nam Long
PC1 | HOSE | 23050 | 411 | 75 | 49 | 71 | PC1 Group
DCM | HOSE | 33700 | 529 | 25 | 49 | 88 | Ca Mau Fertilizer
VCG | HOSE | 24050 | 646 | 50 | 49 | 90 | Vinaconex
HHV | HOSE | 15150 | 474 | 75 | 49 | 87 | Deo Ca Infrastructure
POW | HOSE | 13450 | 2811 | 20 | 49 | 91 | PV Power
BVH | HOSE | 56800 | 742 | 10 | 49 | 45 | Bao Viet Holdings
FTS | HOSE | 33950 | 346 | 60 | 100 | 70 | FPT Securities
BSI | HOSE | 45150 | 245 | 25 | 100 | 58 | BIDV Securities
CTS | HOSE | 37350 | 212 | 25 | 49 | 96 | VietinBank Securities
ORS | HOSE | 14400 | 336 | 70 | 100 | 98 | Tien Phong Securities
CTD | HOSE | 79800 | 101 | 80 | 49 | 3 | Coteccons
DBC | HOSE | 27750 | 384 | 75 | 49 | 92 | Dabaco
PAN | HOSE | 30400 | 209 | 75 | 49 | 58 | PAN Group
ANV | HOSE | 28050 | 266 | 45 | 49 | 95 | Nam Viet
VHC | HOSE | 56900 | 224 | 50 | 100 | 72 | Vinh Hoan
TCH | HOSE | 22400 | 668 | 60 | 49 | 82 | Hoang Huy
CII | HOSE | 25600 | 548 | 90 | 49 | 86 | CII
SZC | HOSE | 32150 | 180 | 40 | 49 | 93 | Sonadezi Chau Duc
HAH | HOSE | 60400 | 169 | 75 | 49 | 70 | Hai An Transport
BMP | HOSE | 149200 | 82 | 45 | 100 | 15 | Binh Minh Plastics
SBT | HOSE | 23300 | 815 | 60 | 100 | 78 | TTC AgriS
EVF | HOSE | 12950 | 760 | 85 | 15 | 97 | EVN Finance
AGR | HOSE | 16750 | 228 | 25 | 49 | 98 | Agribank Securities
DXS | HOSE | 9980 | 579 | 40 | 50 | 79 | Dat Xanh Services
SCR | HOSE | 7850 | 440 | 85 | 49 | 97 | TTC Land
HQC | HOSE | 3410 | 577 | 95 | 49 | 99 | Hoang Quan
LDG | HOSE | 4820 | 257 | 95 | 49 | 99 | LDG Investment
NTP | HNX | 61800 | 171 | 45 | 49 | 62 | Tien Phong Plastic
TNG | HNX | 19200 | 123 | 75 | 49 | 70 | TNG Investment
PVC | HNX | 10900 | 81 | 60 | 49 | 95 | PetroVietnam Chemical
LAS | HNX | 18700 | 113 | 30 | 49 | 97 | Lam Thao Fertilizers
BVS | HNX | 34800 | 72 | 40 | 49 | 60 | Bao Viet Securities
TVD | HNX | 10200 | 45 | 30 | 49 | 96 | Vang Danh Coal
VC3 | HNX | 27300 | 133 | 70 | 49 | 98 | Nam Mekong
VFS | HNX | 18600 | 120 | 70 | 49 | 99 | Nhat Viet Securities
NDN | HNX | 11700 | 72 | 85 | 49 | 94 | Da Nang Housing
L14 | HNX | 29500 | 31 | 80 | 49 | 98 | Licogi 14
DTD | HNX | 17800 | 57 | 75 | 49 | 97 | Thanh Dat
DVM | HNX | 7600 | 43 | 80 | 49 | 99 | Vietnam Medicinal
SLS | HNX | 185900 | 10 | 60 | 49 | 92 | Son La Sugar
VCS | HNX | 48300 | 160 | 15 | 49 | 94 | Vicostone
PLC | HNX | 26100 | 81 | 20 | 49 | 95 | Petrolimex Petrochemical
PVB | HNX | 29700 | 22 | 45 | 49 | 90 | PV Coating
TMB | HNX | 63400 | 15 | 30 | 49 | 98 | TMB Coal Trading
DXP | HNX | 11300 | 60 | 65 | 49 | 85 | Doan Xa Port
LHC | HNX | 76500 | 14 | 60 | 49 | 80 | Lam Dong Hydraulic
PSD | HNX | 13400 | 52 | 20 | 49 | 97 | Petrosetco Distribution
BAB | HNX | 12800 | 959 | 40 | 30 | 99 | Bac A Bank
NVB | HNX | 13900 | 1178 | 60 | 30 | 88 | National Citizen Bank
ACV | UPCOM | 55400 | 3583 | 5 | 49 | 92 | Airports Corporation
BVB | UPCOM | 14100 | 640 | 80 | 30 | 95 | Viet Capital Bank
ABB | UPCOM | 12300 | 1035 | 75 | 30 | 55 | An Binh Bank
VGI | UPCOM | 78300 | 3044 | 1 | 49 | 98 | Viettel Global
MSR | UPCOM | 29600 | 1099 | 15 | 49 | 82 | Masan High-Tech
OIL | UPCOM | 11900 | 1034 | 20 | 7 | 60 | PV Oil
HNG | UPCOM | 6300 | 1109 | 70 | 49 | 97 | HAGL Agrico
DDV | UPCOM | 32200 | 146 | 35 | 49 | 94 | DAP Vinachem
VEA | UPCOM | 38900 | 1329 | 11 | 49 | 88 | VEAM
SBS | UPCOM | 4900 | 147 | 90 | 49 | 98 | SBS Securities
QNS | UPCOM | 47200 | 368 | 65 | 49 | 70 | Quang Ngai Sugar
FOX | UPCOM | 71500 | 493 | 4 | 49 | 93 | FPT Telecom
MCM | HOSE | 27600 | 110 | 30 | 100 | 97 | Moc Chau Milk
CTR | HOSE | 92300 | 114 | 34 | 49 | 80 | Viettel Construction
TVN | UPCOM | 8700 | 678 | 6 | 49 | 98 | Vietnam Steel
"""
