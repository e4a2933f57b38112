"""JSON that is no JSONL to rows: an array of examples, or objects over many lines.

One example is in memory at a time, whatever the file's size.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import BinaryIO

from .jsonl import Fault, Parser, Row
from .tables import as_text

_CHUNK = 1 << 16
_BETWEEN = re.compile(r"[\s,]*")
#: Where reading goes on behind an example that is no JSON: a line that opens one.
_NEXT = re.compile(r"\n\s{0,8}\{\s*(?=\"(?:messages|prompt|input)\"|\n)")


def json_texts(stream: BinaryIO, encoding: str) -> Iterator[Row]:
    """Each element of the array, or each object of the sequence, with its line."""
    text = _Text(as_text(stream, encoding))
    parser, decoder = Parser(), json.JSONDecoder()
    text.skip(_BETWEEN)
    if text.peek() == "[":
        text.advance(1)
    number = 0
    while True:
        text.skip(_BETWEEN)
        if text.peek() == "]":  # another array may follow
            text.advance(1)
            text.skip(_BETWEEN)
            if text.peek() == "[":
                text.advance(1)
            continue
        if text.peek() == "":
            return
        number += 1
        line = text.line
        end, error = _end_of_value(text, decoder)
        if error is None:
            yield parser.row(line, number, text.advance(end))
            continue
        above = text.buffer.count("\n", 0, error.pos)
        fault = Fault("invalid_json", error.msg, error.colno)
        yield Row(line + above, number, None, text.buffer[:1000], (fault,))
        if not text.resume(max(error.pos, 1)):
            return


def _end_of_value(
    text: _Text, decoder: json.JSONDecoder
) -> tuple[int, json.JSONDecodeError | None]:
    """Where the value at the start of the buffer ends, reading on as far as needed."""
    while True:
        try:
            end = decoder.raw_decode(text.buffer)[1]
        except json.JSONDecodeError as error:
            at_end = error.pos >= len(text.buffer) - 16
            if (at_end or error.msg.startswith("Unterminated")) and text.more():
                continue
            return 0, error
        except (ValueError, RecursionError) as error:
            return 0, json.JSONDecodeError(str(error), text.buffer, 0)
        if end < len(text.buffer) or not text.more():
            return end, None


class _Text:
    """A text read piece by piece: what is not yet used up, and its line."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        self._size = _CHUNK
        self.buffer = ""
        self.line = 1

    def more(self) -> bool:
        """Read on, each time twice as much: a long value is scanned a few times."""
        piece = self._stream.read(self._size)
        self.buffer += piece
        self._size *= 2
        return bool(piece)

    def peek(self) -> str:
        if not self.buffer:
            self.more()
        return self.buffer[:1]

    def advance(self, length: int) -> str:
        used, self.buffer = self.buffer[:length], self.buffer[length:]
        self.line += used.count("\n")
        self._size = _CHUNK
        return used

    def skip(self, pattern: re.Pattern[str]) -> None:
        while match := pattern.match(self.buffer):
            at_end = match.end() == len(self.buffer)
            self.advance(match.end())
            if not at_end or not self.more():
                return

    def resume(self, start: int) -> bool:
        """Go on at the next line that opens an example; False where there is none."""
        while not (found := _NEXT.search(self.buffer, start)):
            if not self.more():
                return False
        self.advance(self.buffer.index("{", found.start()))
        return True
