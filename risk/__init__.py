"""Judgement: what may be sent, what must stop."""
