"""Owns the growing arrays of a tape's exchange side and drives the passes that fill them.

What it has handed out stays as it is: arrays only grow at their end, or are replaced by larger
ones.
"""

import numpy as np

from market.book import new_book
from market.calibration import OBSERVER_COLUMNS
from market.growing import grown, projected, reserved, shifted
from market.hit_blocks import BLOCK_COLUMNS, BLOCK_SHIFT, block_count, note_blocks
from market.indexing import (
    DONE,
    HITS_FULL,
    MARK_COLUMNS,
    PASS_CANCEL,
    PASS_COLUMNS,
    PASS_CUT,
    PASS_FRAME,
    PASS_HIGH,
    PASS_HITS,
    PASS_LOW,
    PASS_MARK,
    PASS_ORDER,
    PASS_PRINTS,
    PASS_ROWS,
    Pass,
    index_events,
)
from market.layout import (
    DELAY_CANCEL_NS,
    DELAY_COLUMNS,
    DELAY_ORDER_NS,
    FRAME_ASK,
    FRAME_BID,
    FRAME_CANCEL_NS,
    FRAME_COLUMNS,
    FRAME_EVENT,
    FRAME_HIT,
    FRAME_ORDER_NS,
    NEVER,
    NO_ASK,
    NO_BID,
    SEGMENT_COLUMNS,
    SEGMENT_END,
    SEGMENT_KEY,
    SEGMENT_KEY_END,
)
from market.liquidity import DEPTH_COLUMNS
from market.segments import carry_levels, count_levels, lay_out
from market.stream import Stream
from market.types import F8, I4, I8

SEGMENT_ROWS = 1 << 19
"""Most level changes of a segment: fewer carry more levels in, more leave the cache."""


NO_IDS: I4 = np.zeros(0, dtype=np.int32)
NO_MARKS: I8 = np.zeros((0, MARK_COLUMNS), dtype=np.int64)
NO_DEPTHS: F8 = np.zeros((0, 2 * DEPTH_COLUMNS))
NOT_ASKED: F8 = np.zeros(OBSERVER_COLUMNS)
HIT_SHARE = 4
"""One event in so many is expected to be a hit, at most."""
CARRIED_SHARE = 8
"""And one row in so many to be carried into a segment."""


class Indexer:
    """The exchange's side of one tape, as far as it has been read.

    Args:
        base: tick of column 0 of the book's window.
        width: columns of the window.
        first_ns: time of step 0.
        interval_ns: from one step to the next.
        segment_rows: most level changes of a segment, unless one clear makes more.
        expected: about how many events will come; room for so many is reserved, not used.
        born: i4[n], event that added the order which changed; empty without order ids.
        room: steps for which memory is taken at once.
    """

    def __init__(
        self,
        base: int,
        width: int,
        *,
        first_ns: int,
        interval_ns: int,
        segment_rows: int = SEGMENT_ROWS,
        expected: int = 0,
        born: I4 = NO_IDS,
        room: int = 0,
    ) -> None:
        self._segment_rows = segment_rows
        self._expected = expected
        self._born = born
        self.first_ns = first_ns
        self.interval_ns = interval_ns
        self._base = np.array([base], dtype=np.int64)
        self._delays: I8 = reserved(room, DELAY_COLUMNS, np.int64)
        self._steps = 0
        levels, touch = new_book(base, width)
        state = np.zeros(PASS_COLUMNS, dtype=np.int64)
        state[PASS_LOW] = NO_ASK
        state[PASS_HIGH] = NO_BID
        # An empty array takes address space and no memory until it is written to.
        hits, rows = expected // HIT_SHARE, expected + expected // CARRIED_SHARE
        self._counts: I4 = np.zeros((2, width), dtype=np.int32)
        self._work = Pass(
            state=state,
            levels=levels,
            touch=touch,
            row_keys=np.zeros(0, dtype=np.int32),
            row_events=np.zeros(0, dtype=np.int32),
            row_lots=np.zeros(0, dtype=np.int64),
            hit_events=np.empty(hits, dtype=np.int32),
            hit_codes=np.empty(hits, dtype=np.int32),
            hit_lots=np.empty(hits, dtype=np.int64),
            hit_ns=np.empty(hits, dtype=np.int64),
            frames=reserved(room, FRAME_COLUMNS, np.int64),
            marks=NO_MARKS,
            depths=NO_DEPTHS,
            asked=NOT_ASKED,
            prints=np.zeros(0, dtype=np.int32),
        )
        self._segments: I8 = np.zeros((0, SEGMENT_COLUMNS), dtype=np.int64)
        self._segment_count = 0
        self._level_keys: I4 = np.zeros(0, dtype=np.int32)
        self._level_starts: I8 = np.zeros(1, dtype=np.int64)
        self._level_events: I4 = np.empty(rows, dtype=np.int32)
        self._level_lots: I8 = np.empty(rows, dtype=np.int64)
        self._level_born: I4 = NO_IDS
        self._key_count = 0
        self._row_count = 0
        self._blocks: I4 = np.zeros((0, BLOCK_COLUMNS), dtype=np.int32)
        self._blocked = 0
        self._carried_keys: I4 = np.zeros(0, dtype=np.int32)
        self._carried_lots: I8 = np.zeros(0, dtype=np.int64)
        self._open_segment(segment_rows)

    @property
    def read(self) -> int:
        """The number of the first event that is still needed."""
        return int(self._work.state[PASS_CUT])

    def add_steps(self, delays: I8) -> None:
        """Make the delays i8[n, DELAY_COLUMNS] of the next steps known."""
        first, last = self._steps, self._steps + delays.shape[0]
        likely = projected(last, self.read, self._expected)
        self._delays = grown(self._delays, first, last, likely)
        self._delays[first:last] = delays
        frames = grown(self._work.frames, first, last, likely)
        now_ns = self.first_ns + self.interval_ns * np.arange(first, last)
        frames[first:last] = 0
        frames[first:last, FRAME_BID] = NO_BID
        frames[first:last, FRAME_ASK] = NO_ASK
        frames[first:last, FRAME_ORDER_NS] = now_ns + delays[:, DELAY_ORDER_NS]
        frames[first:last, FRAME_CANCEL_NS] = now_ns + delays[:, DELAY_CANCEL_NS]
        self._work = self._work._replace(frames=frames)
        self._steps = last

    def advance(self, events: I8, offset: int, now_ns: int) -> None:
        """Read every event with exch_ts <= now; the first one given has number `offset`."""
        self._work = self._work._replace(marks=NO_MARKS, depths=NO_DEPTHS)
        self._pass(events, offset, now_ns, now_ns)

    def mark(self, events: I8, offset: int, marks: I8, depths: F8, asked: F8, known_ns: int) -> I4:
        """Read all of these events, and write the book's marks; return the numbers of the prints.

        Args:
            events: i8[n, EVENT_COLUMNS], the exchange's alone from PASS_CUT on.
            offset: number of the first one.
            marks: i8[m, MARK_COLUMNS], written; their cuts lie among these events, or behind them.
            depths: f8[m, 2 x DEPTH_COLUMNS], written at the end of a cycle.
            asked: f8[OBSERVER_COLUMNS].
            known_ns: every event until then is among these.
        """
        self._work = self._work._replace(marks=marks, depths=depths, asked=asked)
        self._pass(events, offset, NEVER, known_ns)
        return self._work.prints[: int(self._work.state[PASS_PRINTS])]

    def in_use(self) -> tuple[I4, I8, I8]:
        """Return (keys, lots, touch) of the book's levels; the open segment is closed for it."""
        self._close_segment()
        return self._carried_keys, self._carried_lots, self._work.touch.copy()

    def _pass(self, events: I8, offset: int, until_ns: int, known_ns: int) -> None:
        state = self._work.state
        state[PASS_MARK] = state[PASS_PRINTS] = 0
        self._work = self._work._replace(prints=grown(self._work.prints, 0, events.shape[0]))
        while True:
            code = index_events(
                events,
                offset,
                self._work,
                self.first_ns,
                self.interval_ns,
                self._steps,
                until_ns,
                known_ns,
            )
            if code == DONE:
                return
            if code == HITS_FULL:
                self._grow_hits()
            elif self._work.state[PASS_ROWS] > 0:
                self._close_segment()
            else:  # a clear of more levels than a segment has rows
                self._open_segment(2 * self._work.row_events.shape[0])

    def stream(self) -> Stream:
        """Close the open segment and return everything up to the last event read."""
        self._close_segment()
        work = self._work
        hits = int(work.state[PASS_HITS])
        self._blocks = grown(self._blocks, block_count(self._blocked), block_count(hits))
        note_blocks(work.hit_codes, self._blocked, hits, self._blocks)
        self._blocked = hits
        return Stream(
            hit_events=work.hit_events[:hits],
            hit_codes=work.hit_codes[:hits],
            hit_lots=work.hit_lots[:hits],
            hit_ns=work.hit_ns[:hits],
            hit_blocks=self._blocks[: block_count(hits)],
            segments=self._segments[: self._segment_count],
            level_keys=self._level_keys[: self._key_count],
            level_starts=self._level_starts[: self._key_count + 1],
            level_events=self._level_events[: self._row_count],
            level_lots=self._level_lots[: self._row_count],
            level_born=self._level_born[: self._row_count],
            frames=work.frames[: self._steps],
            delays=self._delays[: self._steps],
            base=self._base,
        )

    def forget(self, count: int) -> None:
        """Let go of the first steps, and of the hits and segments that end before the next one.

        What has been handed out stays as it is. Every order of those steps has arrived.
        """
        state, frames = self._work.state, self._work.frames
        assert count <= min(state[PASS_FRAME], state[PASS_ORDER], state[PASS_CANCEL]), count
        assert self._born.shape[0] == 0, "births are known by event, and only of a whole recording"
        if count == 0:
            return
        event = int(frames[count - 1, FRAME_EVENT])
        self._forget_hits(int(frames[count - 1, FRAME_HIT]) >> BLOCK_SHIFT)
        self._forget_segments(event)
        frames = shifted(self._work.frames, count, self._steps)
        state[[PASS_FRAME, PASS_ORDER, PASS_CANCEL]] -= count
        self._work = self._work._replace(frames=frames)
        self._delays = shifted(self._delays, count, self._steps)
        self._steps -= count
        self.first_ns += count * self.interval_ns

    def _forget_hits(self, blocks: int) -> None:
        """Let go of the hits of the first blocks."""
        work, first = self._work, blocks << BLOCK_SHIFT
        used = int(work.state[PASS_HITS])
        frames = work.frames.copy()
        frames[: work.state[PASS_FRAME], FRAME_HIT] -= first
        self._work = work._replace(
            hit_events=shifted(work.hit_events, first, used),
            hit_codes=shifted(work.hit_codes, first, used),
            hit_lots=shifted(work.hit_lots, first, used),
            hit_ns=shifted(work.hit_ns, first, used),
            frames=frames,
        )
        work.state[PASS_HITS] -= first
        # Those that have no block yet are given theirs with the next stream.
        told = block_count(self._blocked)
        self._blocks = shifted(self._blocks, min(blocks, told), told)
        self._blocked = max(0, self._blocked - first)

    def _forget_segments(self, event: int) -> None:
        """Let go of the segments that end before an event; the last one stays."""
        ends = self._segments[: self._segment_count, SEGMENT_END]
        count = min(int(np.searchsorted(ends, event)), self._segment_count - 1)
        if count <= 0:
            return
        segments = shifted(self._segments, count, self._segment_count)
        first = int(segments[0, SEGMENT_KEY])
        row = int(self._level_starts[first])
        segments[:, [SEGMENT_KEY, SEGMENT_KEY_END]] -= first
        starts = shifted(self._level_starts, first, self._key_count + 1)
        starts[: self._key_count + 1 - first] -= row
        self._segments, self._level_starts = segments, starts
        self._level_keys = shifted(self._level_keys, first, self._key_count)
        self._level_events = shifted(self._level_events, row, self._row_count)
        self._level_lots = shifted(self._level_lots, row, self._row_count)
        self._segment_count -= count
        self._key_count -= first
        self._row_count -= row

    def _grow_hits(self) -> None:
        work, count = self._work, int(self._work.state[PASS_HITS])
        self._work = work._replace(
            hit_events=grown(work.hit_events, count, count + 1),
            hit_codes=grown(work.hit_codes, count, count + 1),
            hit_lots=grown(work.hit_lots, count, count + 1),
            hit_ns=grown(work.hit_ns, count, count + 1),
        )

    def _open_segment(self, room: int) -> None:
        """Begin a segment with room for so many rows."""
        if self._work.row_keys.shape[0] != room:
            self._work = self._work._replace(
                row_keys=np.empty(room, dtype=np.int32),
                row_events=np.empty(room, dtype=np.int32),
                row_lots=np.empty(room, dtype=np.int64),
            )
        self._work.state[PASS_ROWS] = 0

    def _close_segment(self) -> None:
        """Lay out the open segment; without a row, let the last one reach as far."""
        work, number = self._work, self._segment_count
        end = int(work.state[PASS_CUT])
        rows, carried = int(work.state[PASS_ROWS]), self._carried_keys.shape[0]
        first_event = int(self._segments[number - 1, SEGMENT_END]) if number else 0
        if end == first_event:
            return
        if rows == 0 and number:
            self._segments = self._segments.copy()
            self._segments[number - 1, SEGMENT_END] = end
            return
        keys = np.empty(carried + rows, dtype=np.int32)
        used = count_levels(self._carried_keys, self._counts, keys, 0)
        used = count_levels(work.row_keys[:rows], self._counts, keys, used)
        keys = np.sort(keys[:used])
        first_key, last_key = self._key_count, self._key_count + used
        first, last = self._row_count, self._row_count + carried + rows
        likely = projected(last_key, end, self._expected)
        self._level_keys = grown(self._level_keys, first_key, last_key, likely)
        self._level_keys[first_key:last_key] = keys
        self._level_starts = grown(self._level_starts, first_key + 1, last_key + 1, likely + 1)
        self._level_events = grown(self._level_events, first, last)
        self._level_lots = grown(self._level_lots, first, last)
        lay_out(
            keys,
            self._counts,
            self._carried_keys,
            self._carried_lots,
            first_event,
            work.row_keys[:rows],
            work.row_events[:rows],
            work.row_lots[:rows],
            first,
            self._level_starts[first_key : last_key + 1],
            self._level_events[first:last],
            self._level_lots[first:last],
        )
        if self._born.shape[0]:
            self._level_born = grown(self._level_born, first, last)
            self._level_born[first:last] = self._born[self._level_events[first:last]]
        self._key_count, self._row_count = last_key, last
        self._segments = grown(self._segments, number, number + 1)
        self._segments[number] = (first_event, end, first_key, last_key)
        self._segment_count = number + 1
        self._carried_keys, self._carried_lots = np.empty_like(keys), np.empty(len(keys), np.int64)
        count = carry_levels(keys, work.levels, self._carried_keys, self._carried_lots)
        self._carried_keys = self._carried_keys[:count]
        self._carried_lots = self._carried_lots[:count]
        self._open_segment(self._segment_rows)
