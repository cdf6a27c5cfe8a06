"""Venues: one port; a recording, a simulated Binance, Binance."""
