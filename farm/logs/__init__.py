"""The log of each step: a Redis stream of compressed chunks, whole lines. It never raises into the stage that writes.

Lines are numbered from 1 over the whole step, its attempts included; a stream id is `<number of the last line>-0`, so a
cursor is a line number and stays good when the chunks are packed. Of a long log the first and the last part are kept;
over all logs a budget holds, for which the oldest finished ones go.
"""

from farm.logs.logs import Logs
from farm.logs.pages import LogChunk, LogPage
from farm.logs.writer import LogWriter

__all__ = ["LogChunk", "LogPage", "LogWriter", "Logs"]
