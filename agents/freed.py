"""Gives memory that is free again back to the system.

The C library keeps what was freed in case it is needed soon. After a search that is a third of the
process, which the next boundary needs again minutes later, and nobody until then.
"""

import ctypes
import sys


def give_back() -> None:
    """Return free pages to the system, where its C library can (glibc); elsewhere do nothing.

    It takes some milliseconds, in which the interpreter's lock is free: call it in a thread.
    """
    if sys.platform != "linux":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
    if trim is not None:
        trim(0)
