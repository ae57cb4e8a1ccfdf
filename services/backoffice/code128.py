"""Barcodes of symbology Code 128 (ISO/IEC 15417), as bars to be drawn: printable ASCII, figures two to a symbol."""

from functools import lru_cache

_WIDTHS = """
212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 113222 123122
123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 212123 212321 232121 111323
131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 113123 113321 133121 313121 211331 231131
213113 213311 213131 311123 311321 331121 312113 312311 332111 314111 221411 431111 111224 111422 121124 121421 141122
141221 112214 112412 122114 122411 142112 142211 241211 221114 413111 241112 134111 111242 121142 121241 114212 124112
124211 411212 421112 421211 212141 214121 412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141
411131 211412 211214 211232 2331112
"""
SYMBOLS = tuple(_WIDTHS.split())
"""By value, the widths of bars and spaces in turn, in modules."""
START_B, START_C, STOP = 104, 105, 106
QUIET = 10
"""Modules that stay white on either side."""


def values(text: str) -> list[int]:
    """The symbols of a text, from start to stop. Raises ValueError for what the symbology cannot say here."""
    if not printable(text):
        raise ValueError(f"no Code 128 of {text!r}")
    if text.isdigit() and len(text) % 2 == 0:
        found = [START_C, *(int(text[n : n + 2]) for n in range(0, len(text), 2))]
    else:
        found = [START_B, *(ord(char) - 32 for char in text)]
    check = (found[0] + sum(n * value for n, value in enumerate(found))) % 103
    return [*found, check, STOP]


@lru_cache(4096)
def drawn(text: str) -> tuple[int, str]:
    """Width in modules with its quiet zones, and the bars as an SVG path one module per unit wide and ten high."""
    at, path = QUIET, []
    for value in values(text):
        for n, width in enumerate(map(int, SYMBOLS[value])):
            if n % 2 == 0:
                path.append(f"M{at} 0h{width}v10h-{width}z")
            at += width
    return at + QUIET, "".join(path)


def printable(text: str) -> bool:
    """Whether a text has a barcode here."""
    return bool(text) and all(" " <= char <= "~" for char in text)
