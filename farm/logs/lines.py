"""From bytes as they come to whole lines of text. It sends nothing."""

import codecs
from collections import deque

LONGEST = 32 << 10  # characters; a longer line is cut into several


class Lines:
    """Collects output and gives it back in whole lines; bytes that are no UTF-8 become U+FFFD, escapes stay."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._whole: deque[str] = deque()
        self.size = 0  # characters in whole lines

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Take bytes; with `last` an unfinished line is finished."""
        *whole, rest = (self._rest + self._decoder.decode(data, last)).split("\n")
        if last and rest:
            whole.append(rest)
            rest = ""
        for line in whole:
            self._add(line)
        while len(rest) > LONGEST:
            self._add(rest[:LONGEST])
            rest = rest[LONGEST:]
        self._rest = rest

    def _add(self, line: str) -> None:
        for start in range(0, max(len(line), 1), LONGEST):
            part = line[start : start + LONGEST] + "\n"
            self._whole.append(part)
            self.size += len(part)

    def take(self, limit: int) -> tuple[int, str]:
        """Return how many lines and their text, at least one line if there is one, about `limit` characters at most."""
        taken: list[str] = []
        length = 0
        while self._whole and (not taken or length + len(self._whole[0]) <= limit):
            taken.append(self._whole.popleft())
            length += len(taken[-1])
        self.size -= length
        return len(taken), "".join(taken)
