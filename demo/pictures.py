"""Real PNG and FITS files, made by hand so that the demo needs no imaging library."""

import struct
import zlib

import numpy as np

_FITS_BLOCK_BYTES = 2880
_FITS_CARD_BYTES = 80


def png_bytes(*, seed: int, width: int = 160, height: int = 120) -> bytes:
    """Return a grey PNG that looks like a plot of phases over time: points around a wave, in a frame."""
    random = np.random.default_rng(seed)
    pixels = np.full((height, width), 255, np.uint8)
    pixels[[5, -6], 5:-5] = pixels[5:-5, [5, -6]] = 160
    x = random.integers(8, width - 8, 2 * width)
    wave = np.sin(x / width * random.uniform(4, 12) + random.uniform(0, 6)) * height / 4
    pixels[(height / 2 + wave + random.normal(0, 4, x.size)).astype(int), x] = 0
    lines = b"".join(b"\0" + line.tobytes() for line in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    # Stored, not deflated: zlib packs differently from version to version, and README shows sizes.
    data = zlib.compress(lines, level=0)
    chunks = _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", data) + _png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def fits_bytes(*, seed: int, side: int = 128) -> bytes:
    """Return a FITS image of `side` x `side` pixels: a Gaussian source in noise, in Jy/beam."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] - side / 2
    image = np.exp(-(x**2 + y**2) / (side / 8) ** 2) + random.normal(0, 0.01, (side, side))
    header = _fits_header(
        {
            "SIMPLE": "T",
            "BITPIX": -32,
            "NAXIS": 2,
            "NAXIS1": side,
            "NAXIS2": side,
            "BUNIT": "'JY/BEAM '",
            "CTYPE1": "'RA---SIN'",
            "CRVAL1": 146.989,
            "CDELT1": -2.8e-5,
            "CRPIX1": side / 2 + 1,
            "CTYPE2": "'DEC--SIN'",
            "CRVAL2": 13.279,
            "CDELT2": 2.8e-5,
            "CRPIX2": side / 2 + 1,
        }
    )
    return header + _padded(image.astype(">f4").tobytes(), b"\0")


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _fits_header(cards: dict[str, str | int | float]) -> bytes:
    lines = [_fits_card(key, value) for key, value in cards.items()]
    return _padded("".join([*lines, "END".ljust(_FITS_CARD_BYTES)]).encode("ascii"), b" ")


def _fits_card(key: str, value: str | int | float) -> str:
    # Texts start in column 11, everything else ends in column 30.
    text = value if str(value).startswith("'") else f"{value!s:>20}".upper()
    return f"{key:<8}= {text}".ljust(_FITS_CARD_BYTES)


def _padded(data: bytes, filler: bytes) -> bytes:
    return data + filler * (-len(data) % _FITS_BLOCK_BYTES)
