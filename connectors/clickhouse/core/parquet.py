"""How many rows a Parquet file says that it has. Pure.

A file ends with its metadata, their length in four bytes, and ``PAR1``. The metadata are a struct of Thrift's compact protocol:
the version, the columns, the number of rows, and what else there is.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from typing import Final

MAGIC: Final = b"PAR1"
TAIL_BYTES: Final = 8
"""The length of the metadata, and the magic."""
_ROWS: Final = 3
"""The number of the field with the number of rows."""
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS: Final = (4, 5, 6)
"""Of 16, 32 and 64 bits: all are written alike."""


class NotParquet(Exception):
    """It is no Parquet file, or not all of one."""


def metadata_bytes(tail: bytes) -> int:
    """The length of a file's metadata, which stand before ``tail``, its last :data:`TAIL_BYTES` bytes.

    Raises:
        NotParquet: The file does not end as one does.
    """
    if len(tail) != TAIL_BYTES or not tail.endswith(MAGIC):
        raise NotParquet("it does not end as a Parquet file does")
    return int.from_bytes(tail[:4], "little")


def rows_in(metadata: bytes) -> int:
    """The number of rows that a file's metadata state.

    Raises:
        NotParquet: They are none.
    """
    try:
        return _Compact(metadata).rows()
    except IndexError:
        raise NotParquet("its metadata end too soon") from None


class _Compact:
    """Reads a struct from its begin to the field that is looked for."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def rows(self) -> int:
        field = 0
        while (head := self._byte()) != _STOP:
            kind, step = head & 0x0F, head >> 4
            field = field + step if step else self._integer()
            if field == _ROWS and kind in _INTEGERS:
                return self._integer()
            self._skip(kind)
        raise NotParquet("its metadata do not say how many rows there are")

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _integer(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def _skip(self, kind: int) -> None:
        if self._at > len(self._data):
            raise NotParquet("its metadata end too soon")
        if kind in (_TRUE, _FALSE):
            return
        if kind == _BYTE:
            self._at += 1
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _DOUBLE:
            self._at += 8
        elif kind == _BINARY:
            length = self._varint()
            self._at += length
        elif kind in (_LIST, _SET):
            head = self._byte()
            count = head >> 4 if head >> 4 < 15 else self._varint()
            for _ in range(count):
                # In a list a truth has a byte of its own.
                self._skip(_BYTE if head & 0x0F in (_TRUE, _FALSE) else head & 0x0F)
        elif kind == _STRUCT:
            while (head := self._byte()) != _STOP:
                if not head >> 4:
                    self._varint()
                self._skip(head & 0x0F)
        else:
            raise NotParquet(f"its metadata have a field of kind {kind}")
