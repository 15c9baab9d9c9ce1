"""What faults have written instead of the day's own text, kept small for as long as the day lasts. Pure."""

import zlib


class KeptTexts:
    """Texts by number, compressed. They are records, and one record is much like another."""

    def __init__(self) -> None:
        self._packed: dict[int, bytes] = {}
        self._like = b""
        """The first text: what the others are compared with."""

    def __setitem__(self, number: int, text: str) -> None:
        raw = text.encode(errors="surrogateescape")
        self._like = self._like or raw
        packer = zlib.compressobj(wbits=-zlib.MAX_WBITS, zdict=self._like)
        self._packed[number] = packer.compress(raw) + packer.flush()

    def get(self, number: int) -> str | None:
        """The text that is kept under ``number``; None if there is none."""
        packed = self._packed.get(number)
        if packed is None:
            return None
        return zlib.decompressobj(wbits=-zlib.MAX_WBITS, zdict=self._like).decompress(packed).decode(errors="surrogateescape")
