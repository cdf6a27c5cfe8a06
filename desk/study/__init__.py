"""The page of a study: what a search found, how sure it is, and what it was worth afterwards."""
