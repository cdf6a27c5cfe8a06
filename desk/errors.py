"""What the desk refuses, in one line each."""


class DeskError(Exception):
    """Something that was asked of the desk cannot be done."""


class StoreError(DeskError):
    """The database cannot be opened, or holds what it should not."""


class AlertError(DeskError):
    """Alerts cannot be sent as they are configured."""
