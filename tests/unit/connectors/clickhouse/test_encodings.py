import gzip
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.clickhouse.core.errors import StatementRefused, TooLarge
from connectors.clickhouse.encodings import BLOCKS, compressor, unpack_blocks

LIMIT = 1 << 20


def packed(data: bytes) -> bytes:
    return compressor(BLOCKS).compress(data)


@given(st.binary(max_size=300))
def test_blocks_come_back_as_they_went_in(data: bytes) -> None:
    assert unpack_blocks(packed(data) + packed(data), LIMIT) == data + data


def test_a_block_is_as_clickhouse_has_it() -> None:
    # What clickhouse-driver writes for these bytes.
    assert packed(b"SELECT 1")[16:] == struct.pack("<BII", 0x82, 18, 8) + b"\x80SELECT 1"


def test_many_bytes_make_several_blocks() -> None:
    data = b"x" * (5 << 19)
    assert unpack_blocks(packed(data), 3 << 20) == data
    with pytest.raises(TooLarge):
        unpack_blocks(packed(data), (5 << 19) - 1)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda body: body[:-1], 354),
        (lambda body: body[:10], 354),
        (lambda body: body[:-1] + b"!", 354),
        (lambda body: body[:17] + b"\xff\xff\xff\x7f" + body[21:], 354),
    ],
)
def test_what_is_no_block_is_refused(spoil: object, code: int) -> None:
    assert callable(spoil)
    with pytest.raises(StatementRefused) as refusal:
        unpack_blocks(spoil(packed(b"SELECT 1")), LIMIT)
    assert refusal.value.code == code


def test_gzip_is_what_others_call_so() -> None:
    packer = compressor("gzip")
    assert gzip.decompress(packer.compress(b"x" * 1000) + packer.flush()) == b"x" * 1000
