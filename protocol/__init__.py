"""Words: what any part may say to another, how it is encoded and carried."""
