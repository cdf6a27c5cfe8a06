"""No example has a deadline: whichever comes first may find its kernel not compiled yet."""

from hypothesis import settings

settings.register_profile("counterpoint", deadline=None)
settings.load_profile("counterpoint")
