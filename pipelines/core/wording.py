"""What alerts say to a person, in English and in Vietnamese. Every sentence is in :data:`SENTENCES`, and nowhere else.

Figures read as a person of that language writes them: ``1,284.50`` in English is ``1.284,50`` in Vietnamese. They are exact where
it is a price; large values are in bn and M (tỷ, triệu), two decimals, rounded half up.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from schemas.calendar import ICT
from schemas.units import POINT, Exchange, UnixMs


class Text(NamedTuple):
    """The same in both languages."""

    en: str
    vi: str


def say(name: str, **parts: Text | str) -> Text:
    """The sentence called ``name`` in :data:`SENTENCES`, with its ``parts``; a plain text is the same in both languages."""
    sentence = SENTENCES[name]
    return Text(
        en=sentence.en.format_map({part: text.en if isinstance(text, Text) else text for part, text in parts.items()}),
        vi=sentence.vi.format_map({part: text.vi if isinstance(text, Text) else text for part, text in parts.items()}),
    )


def number(value: int) -> Text:
    """A whole number: ``1,284``."""
    return _numeral(f"{value:,}")


def points(hundredths: int) -> Text:
    """An index level, a future's price or a basis: ``1,284.50``; a negative one with its sign."""
    whole, rest = divmod(abs(hundredths), POINT)
    return _numeral(f"{'-' if hundredths < 0 else ''}{whole:,}.{rest:02d}")


def signed_points(hundredths: int) -> Text:
    """A basis: ``+1.50`` or ``-1.50``."""
    amount = points(hundredths)
    return Text(f"+{amount.en}", f"+{amount.vi}") if hundredths > 0 else amount


def price(value: int, exchange: Exchange) -> Text:
    """A price with its unit."""
    if exchange is Exchange.DER:
        return _with_unit(points(value), "points", "điểm")
    return _with_unit(number(value), "VND", "đồng")


def volume(value: int, exchange: Exchange) -> Text:
    """A volume with its unit."""
    unit, name = ("contract", "hợp đồng") if exchange is Exchange.DER else ("share", "cổ phiếu")
    return _with_unit(number(value), unit if value == 1 else f"{unit}s", name)


def left(value: int, exchange: Exchange) -> Text:
    """What is left of a foreign room: ``500 shares left``, or ``nothing left``."""
    if not value:
        return Text("nothing left", "không còn cổ phiếu nào")
    amount = volume(value, exchange)
    return Text(f"{amount.en} left", f"còn {amount.vi}")


def expiry(days: int) -> Text:
    """How far a contract's last trading day is: ``with 27 days to expiry``, ``on the day of its expiry``."""
    if not days:
        return Text("on the day of its expiry", "đáo hạn hôm nay")
    amount = number(days)
    return Text(f"with {amount.en} {'day' if days == 1 else 'days'} to expiry", f"còn {amount.vi} ngày đến đáo hạn")


def vnd(value: int) -> Text:
    """A value: ``5.23 bn VND``, ``350.00 M VND``, ``12,345 VND``."""
    for unit, en, vi in ((10**9, "bn VND", "tỷ đồng"), (10**6, "M VND", "triệu đồng")):
        if abs(value) >= unit:
            hundredths = (abs(value) * 100 + unit // 2) // unit
            return _with_unit(_numeral(f"{'-' if value < 0 else ''}{hundredths // 100:,}.{hundredths % 100:02d}"), en, vi)
    return _with_unit(number(value), "VND", "đồng")


def times(ratio: float) -> Text:
    """A multiple, one decimal: ``12.5 times``."""
    return _with_unit(_numeral(f"{ratio:,.1f}"), "times", "lần")


def percent(value: float) -> Text:
    """A share of something, two decimals: ``1.25%``."""
    amount = _numeral(f"{value:,.2f}")
    return Text(f"{amount.en}%", f"{amount.vi}%")


def clock(ts_ms: UnixMs) -> str:
    """Time of day in Vietnam."""
    return datetime.fromtimestamp(ts_ms / 1000, ICT).strftime("%H:%M:%S")


def span(seconds: int) -> Text:
    """A length of time: ``20 minutes``, ``90 seconds``."""
    amount, en, vi = (seconds // 60, "minute", "phút") if seconds and seconds % 60 == 0 else (seconds, "second", "giây")
    return _with_unit(number(amount), en if amount == 1 else f"{en}s", vi)


def limit(name: str) -> Text:
    """The ceiling or the floor of a day."""
    return LIMITS[name]


def aggressor(side: str) -> Text:
    """What was done with shares in a print: bought, sold, or traded where nobody knows who made it."""
    return AGGRESSORS[side]


LIMITS: Final[Mapping[str, Text]] = {"ceiling": Text("ceiling", "giá trần"), "floor": Text("floor", "giá sàn")}
AGGRESSORS: Final[Mapping[str, Text]] = {
    "buy": Text("bought", "được mua chủ động"),
    "sell": Text("sold", "bị bán chủ động"),
    "neutral": Text("traded", "được khớp"),
}
FOREIGN: Final[Mapping[str, Text]] = {"buy": Text("buying", "mua"), "sell": Text("selling", "bán")}
"""What foreigners are doing."""
FOREIGN_PAST: Final[Mapping[str, Text]] = {"buy": Text("bought", "mua"), "sell": Text("sold", "bán")}
"""What foreigners did."""

_AGAINST: Final = Text(
    "{price} against {underlying} at {index}, {basis} points {expiry}",
    "{price} so với {underlying} ở {index}, chênh lệch {basis} điểm, {expiry}",
)

SENTENCES: Final[Mapping[str, Text]] = {
    "volume_spike": Text(
        "{symbol} traded {volume} at once at {price}, {ratio} the average print of the {window} before it "
        "({average}, {prints} prints).",
        "{symbol} khớp một lần {volume} giá {price}, gấp {ratio} lệnh khớp trung bình của {window} trước đó "
        "({average}, {prints} lệnh khớp).",
    ),
    "large_print": Text(
        "{volume} of {symbol} were {did} at once at {price}, worth {value}.",
        "{volume} {symbol} {did} trong một lần khớp giá {price}, trị giá {value}.",
    ),
    "price_limit": Text("{symbol} is at its {limit}, {price}.", "{symbol} chạm {limit}, {price}."),
    "lock_opened": Text(
        "{symbol} left its {limit} after {held}: it trades at {price}.",
        "{symbol} rời {limit} sau {held}: đang khớp ở {price}.",
    ),
    "feed_gap": Text(
        "The feed broke off and missed {volume} of {symbol}, traded between {since} and {until}; "
        "other symbols may miss some too.",
        "Nguồn dữ liệu bị gián đoạn, sót {volume} {symbol} khớp trong khoảng từ {since} đến {until}; "
        "các mã khác cũng có thể bị sót.",
    ),
    "foreign_acceleration": Text(
        "Foreigners are {doing} {symbol} faster: {recent} in the last {window}, after {pace} a minute in the {base} before.",
        "Khối ngoại {doing} {symbol} nhanh hơn: {recent} trong {window} qua, trước đó {pace} mỗi phút trong {base}.",
    ),
    "room_exhausted": Text(
        "The foreign room of {symbol} is exhausted: {left} to buy.",
        "{symbol} hết room ngoại: {left} để mua.",
    ),
    "ambiguous_correction": Text(
        "The feed took back {volume} that foreigners had {did} of {symbol}, from {before} to {after}: too much for a correction, "
        "too little for a restart. It is booked as a correction; compare with the exchange's figures.",
        "Lũy kế khối ngoại {did} {symbol} bị nguồn dữ liệu giảm {volume}, từ {before} xuống {after}: quá lớn để là điều chỉnh, "
        "quá nhỏ để là đếm lại từ 0. Được ghi nhận là điều chỉnh; hãy đối chiếu với số liệu của sở giao dịch.",
    ),
    "ambiguous_correction.reset": Text(
        "The feed's count of what foreigners had {did} of {symbol} fell to {after}, right after one record had more than doubled "
        "it: either the feed counts from 0 again, or that record was wrong. It is booked as a restart, and what that record said "
        "stays; compare with the exchange's figures.",
        "Lũy kế khối ngoại {did} {symbol} giảm xuống {after}, ngay sau khi một bản ghi đưa nó lên hơn gấp đôi: hoặc nguồn dữ "
        "liệu đếm lại từ 0, hoặc bản ghi đó sai. Được ghi nhận là đếm lại, và số của bản ghi đó được giữ; hãy đối chiếu với số "
        "liệu của sở giao dịch.",
    ),
    "basis_flip.up": Text(
        f"{{symbol}} went from a discount to a premium: {_AGAINST.en}.",
        f"{{symbol}} chuyển từ thấp hơn sang cao hơn chỉ số: {_AGAINST.vi}.",
    ),
    "basis_flip.down": Text(
        f"{{symbol}} went from a premium to a discount: {_AGAINST.en}.",
        f"{{symbol}} chuyển từ cao hơn sang thấp hơn chỉ số: {_AGAINST.vi}.",
    ),
    "basis_band.up": Text(
        f"The premium of {{symbol}} over {{underlying}} reached {{distance}}: {_AGAINST.en}.",
        f"{{symbol}} cao hơn {{underlying}} tới {{distance}}: {_AGAINST.vi}.",
    ),
    "basis_band.down": Text(
        f"The discount of {{symbol}} to {{underlying}} reached {{distance}}: {_AGAINST.en}.",
        f"{{symbol}} thấp hơn {{underlying}} tới {{distance}}: {_AGAINST.vi}.",
    ),
    "put_through": Text(
        "{volume} of {symbol} were put through at {price}, worth {value}.",
        "Thỏa thuận {volume} {symbol} giá {price}, trị giá {value}.",
    ),
    "print_cluster": Text(
        "{symbol}: {prints} prints of {least} or more within {window}, worth {value} together, {bought} bought and {sold} sold.",
        "{symbol}: {prints} lệnh khớp từ {least} trở lên trong {window}, tổng {value}, "
        "mua chủ động {bought}, bán chủ động {sold}.",
    ),
    "unusual_volume": Text(
        "{symbol} traded {volume} since {since}, {ratio} what it usually trades in those {window} ({usual}, over {days} days).",
        "{symbol} khớp {volume} từ {since}, gấp {ratio} mức thường lệ của {window} này ({usual}, trung bình {days} ngày).",
    ),
    "unusual_volume.none": Text(
        "{symbol} traded {volume} since {since}, when it usually trades nothing for {window} (over {days} days).",
        "{symbol} khớp {volume} từ {since}, thường lệ không có giao dịch trong {window} này (trung bình {days} ngày).",
    ),
    "open_gap.up": Text(
        "{symbol} opened at {price}, {distance} above its reference of {reference}.",
        "{symbol} mở cửa ở {price}, cao hơn {distance} so với giá tham chiếu {reference}.",
    ),
    "open_gap.down": Text(
        "{symbol} opened at {price}, {distance} below its reference of {reference}.",
        "{symbol} mở cửa ở {price}, thấp hơn {distance} so với giá tham chiếu {reference}.",
    ),
    "limit_lock.ceiling": Text(
        "{symbol} is locked at its ceiling, {price}: buyers wait for {queue}, worth {value}, and nobody sells.",
        "{symbol} trắng bên bán ở giá trần {price}: dư mua {queue}, trị giá {value}.",
    ),
    "limit_lock.floor": Text(
        "{symbol} is locked at its floor, {price}: sellers wait with {queue}, worth {value}, and nobody buys.",
        "{symbol} trắng bên mua ở giá sàn {price}: dư bán {queue}, trị giá {value}.",
    ),
}
"""By the kind of rule; where a kind has several, by the kind and, after a dot, the case."""

_VIETNAMESE: Final = str.maketrans(",.", ".,")


def _numeral(text: str) -> Text:
    return Text(text, text.translate(_VIETNAMESE))


def _with_unit(amount: Text, en: str, vi: str) -> Text:
    return Text(f"{amount.en} {en}", f"{amount.vi} {vi}")
