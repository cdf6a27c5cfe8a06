"""The error tree of `exchange`.

    ExchangeError
    |-- RecordingError      a recording that is damaged, foreign, or lacks what its reader needs
    |-- FeedError           raw market data that cannot become a recording
    |   |-- FeedFormatError     a line or column that is not what the format says
    |   |-- FeedSequenceError   an update is missing, doubled or out of order
    |   |-- FeedSymbolError     data of another symbol than the one asked for
    |   `-- FeedDamagedError    a file that ends early or does not unpack
    |-- AdviceError         no starting parameters fit this symbol and this capital
    |-- SimulationError     a simulated exchange cannot be set up as it was asked for
    `-- VenueError          a venue did not do what its port promises

Every message is one line: found, allowed, where, what to do. All end a command with exit code 4
(configuration or data) except `VenueError`, which ends it with 1.
"""


class ExchangeError(Exception):
    """The root: whatever `exchange` refuses.

    Attributes:
        exit_code: how a command that meets it ends.
    """

    exit_code = 4


class RecordingError(ExchangeError):
    """A recording (.npz) that cannot be read or written."""


class FeedError(ExchangeError):
    """Raw market data that cannot become a recording."""


class FeedFormatError(FeedError):
    """A line, column or figure that the format does not allow."""


class FeedSequenceError(FeedError):
    """An update is missing, doubled or out of order; a book built on it would be wrong."""


class FeedSymbolError(FeedError):
    """The data belongs to another symbol."""


class FeedDamagedError(FeedError):
    """A file is cut off or does not unpack."""


class AdviceError(ExchangeError):
    """No legal starting parameters exist for this symbol and this capital."""


class SimulationError(ExchangeError):
    """A simulated exchange that cannot be set up: its accounts, its state, its port."""


class VenueError(ExchangeError):
    """A venue did not do what its port promises."""

    exit_code = 1
