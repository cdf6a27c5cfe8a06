"""The scoreboard: ways of trading the same market, side by side."""
