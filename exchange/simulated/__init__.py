"""A simulated Binance: a recorded market, served with Binance's own words to real clients."""
