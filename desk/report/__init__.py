"""The report of a run: figures, accounting identities and learning, as page, text and JSON."""
