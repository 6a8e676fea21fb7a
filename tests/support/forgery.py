"""Two files with one XXH3-128, made on purpose: what a digest that is not cryptographic does not exclude."""

# The first 16 bytes of the default secret of XXH3, as two little-endian words.
_LOW, _HIGH = 0xBE4BA423396CFEB8, 0x1CAD21F72C81017C
_WORD = 1 << 64


def twins(tail: bytes = b"16 bytes of both") -> tuple[bytes, bytes]:
    """Return two different contents of 32 bytes with one XXH3-128.

    Of the first 16 bytes it takes the product of two words, each with a word of the secret XORed in, and their sum.
    Either word can make the product 0; then the other one can give any sum.
    """
    free = 12345
    words = (_LOW, free), ((_LOW + free - _HIGH) % _WORD, _HIGH)
    one, other = (b"".join(word.to_bytes(8, "little") for word in pair) + tail for pair in words)
    return one, other
