"""Binance as a venue: its words, limits and streams over an unmodified python-binance."""
