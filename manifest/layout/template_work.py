"""Work of a template: what its operations make and go through is counted, and is limited as a whole.

Whatever makes a text, a list or a number is counted, because a template can keep all of it. What may be longer than
all that it is made of, as a text in which another one is replaced, is counted before it is made. Nothing that is here
knows a template; `manifest.layout.text_template` hands over what is to be counted.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any

# Letters, with those of lists, that all operations of a template may make together, besides those for the files.
LETTERS_LIMIT = 1 << 26
LETTERS_PER_FILE = 2_000
# The longest text or list that one operation may make of shorter ones, and the largest number that one is given.
PART_LIMIT = 1 << 20
_NUMBER_LIMIT_BITS = 256
# What any value takes, also one of no letters.
_EACH = 16
# So many letters are compared in the time in which one is made.
_COMPARED = 64
_NUMBERS = (int, float)
_LISTS = (list, tuple, set, frozenset)
# They take the same time whatever they are given.
_AT_ONCE = frozenset({"d", "default", "first", "items", "last"})
# They take a time, or make a text, as long as one value times the others; all but one are of texts.
_JOIN = "join"
_PRODUCTS = frozenset({_JOIN, "lstrip", "replace", "rpartition", "rsplit", "rstrip", "strip", "trim"})


class TooMuchWorkError(ValueError):
    """An operation of a template makes something too long, or all of them together do."""


class Work:
    """What a template may still do.

    Args:
        file_count: of the member.
    """

    def __init__(self, file_count: int = 0) -> None:
        self._most = self._left = LETTERS_LIMIT + LETTERS_PER_FILE * file_count

    def pay(self, letters: int) -> None:
        """Count what is made.

        Raises:
            TooMuchWorkError: it was too much.
        """
        self._left -= letters
        if self._left < 0:
            raise TooMuchWorkError(f"it makes texts and lists of more than {self._most:,} letters")

    def made(self, value: Any) -> Any:
        """Count a value that was made, and return it."""
        if isinstance(value, int) and value.bit_length() > _NUMBER_LIMIT_BITS:
            raise TooMuchWorkError("a number is too large")
        self.pay(self._size(value))
        return value

    def compared(self, value: Any) -> Any:
        """Count a value that is compared, and return it."""
        self.pay(self._size(value) // _COMPARED)
        return value

    def concatenated(self, values: list[Any]) -> str:
        """Return the text of all values, one after the other."""
        self.pay(self._size(values))
        text = "".join(map(str, values))
        self.pay(self._size(text))
        return text

    def pay_for_operator(self, operator: str, left: Any, right: Any) -> None:
        """Count what `*` or `+` will make, of other values than two numbers."""
        if operator == "*":
            count, part = (left, right) if isinstance(left, int) else (right, left)
            size, found = int(count) * (len(part) or 1), "a text is repeated too often"
            self.pay(max(int(count), 0) * self._length(part) if size <= PART_LIMIT else 0)
        else:
            size, found = len(left) + len(right), "a text is too long"
            self.pay(self._size(left) + self._size(right))
        if size > PART_LIMIT:
            raise TooMuchWorkError(found)

    def pay_for_call(self, name: str, values: Iterable[Any]) -> None:
        """Count what a function goes through, and what it may make that is longer than its values."""
        value, *others = values
        for number in (each for each in others if isinstance(each, int)):
            if number > PART_LIMIT:
                raise TooMuchWorkError("a number is too large")
            self.pay(abs(number))
        if name == "sum" and any(isinstance(each, _LISTS) for each in others):
            raise TooMuchWorkError("a sum of lists is not available")
        if name in _PRODUCTS:
            length = len(value) if isinstance(value, Sized) else 1
            self.pay((length + 1) * sum(map(self._length, others)))
        if name not in _AT_ONCE:
            self.pay(self._size(value) + self._size(others))

    def counting(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a filter or test that is counted."""
        skipped = int(hasattr(function, "jinja_pass_arg"))  # what Jinja passes before the values

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            before, (value, *others) = args[:skipped], args[skipped:]
            if name == _JOIN and not isinstance(value, Sized):
                value = list(value)
            elif name in _PRODUCTS - {_JOIN} and not isinstance(value, str):
                value = str(value)
            self.pay_for_call(name, (value, *others, *kwargs.values()))
            return self.made(function(*before, value, *others, **kwargs))

        return counted

    def _length(self, value: Any) -> int:
        """Return the length of a value as a text, of which a number means something else."""
        return 0 if isinstance(value, int) else len(value) if isinstance(value, str) else self._size(value)

    def _size(self, value: Any) -> int:
        """Return the letters of a value, with all that is in it; of more than are left, only that they are more."""
        size, waiting = 0, [value]
        while waiting and size <= self._left:
            one = waiting.pop()
            size += _EACH
            if isinstance(one, str):
                size += len(one)
            elif isinstance(one, _LISTS):
                size += _EACH * len(one)
                if set(map(type, one)) <= {str}:
                    size += sum(map(len, one))
                else:
                    waiting.extend(one)
            elif isinstance(one, Mapping):
                size += _EACH * len(one)
                waiting += [*one.keys(), *one.values()]
            elif isinstance(one, int):
                size += one.bit_length() // 8
        return size
