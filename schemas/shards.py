"""Which partition a symbol lives on, and the keys that keep frames there.

Kafka's Java clients and Quix Streams place a keyed message by murmur2; librdkafka's own default is CRC32, so our producers
must be told. A frame's key is not a symbol but a short string that murmur2 maps onto the frame's own shard: state, changelog
and outputs of a shard then stay on its partition number, on every topic with the same count.
"""

from functools import cache

_MIX = 0x5BD1E995
_SEED = 0x9747B28C
_WORD = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2 of ``data`` (``org.apache.kafka.common.utils.Utils.murmur2``), as an unsigned integer."""
    length = len(data)
    h = (_SEED ^ length) & _WORD
    whole = length - length % 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _MIX & _WORD
        k ^= k >> 24
        h = (h * _MIX & _WORD) ^ (k * _MIX & _WORD)
    rest = data[whole:]
    if len(rest) == 3:
        h ^= rest[2] << 16
    if len(rest) >= 2:
        h ^= rest[1] << 8
    if rest:
        h = (h ^ rest[0]) * _MIX & _WORD
    h ^= h >> 13
    h = h * _MIX & _WORD
    return h ^ h >> 15


@cache
def shard_of(routing_key: str, shards: int) -> int:
    """The shard, and so the partition, of a symbol (of a future: of its underlying)."""
    return (murmur2(routing_key.encode()) & 0x7FFFFFFF) % shards


@cache
def shard_keys(shards: int) -> tuple[str, ...]:
    """One short message key for each shard, in order: the key of shard ``n`` is placed on partition ``n``."""
    keys: dict[int, str] = {}
    candidate = 0
    while len(keys) < shards:
        key = f"s{candidate}"
        keys.setdefault(shard_of(key, shards), key)
        candidate += 1
    return tuple(keys[n] for n in range(shards))
