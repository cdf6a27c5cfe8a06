"""The coordination modes as tables of pure transitions, one file a mode."""
