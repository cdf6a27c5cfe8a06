"""A book as a client keeps it, from diffs and a snapshot, by Binance's rules."""


class Book:
    """Levels by side; `hear` a diff, `start` from a snapshot."""

    def __init__(self):
        self.early, self.update_id, self.sides = [], None, {"b": {}, "a": {}}

    def start(self, snapshot):
        """Begin from a snapshot and the diffs heard so far."""
        self.update_id = snapshot["lastUpdateId"]
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
        early, self.early = self.early, []
        for diff in early:
            self.hear(diff)

    def hear(self, diff):
        """Take in a diff; a gap is an error."""
        if self.update_id is None:
            self.early.append(diff)
            return
        if diff["u"] <= self.update_id:
            return
        assert diff["U"] <= self.update_id + 1, f"gap: {self.update_id} -> {diff['U']}"
        self.update_id = diff["u"]
        for name, levels in self.sides.items():
            for price, quantity in diff[name]:
                if float(quantity):
                    levels[price] = quantity
                else:
                    levels.pop(price, None)

    def is_like(self, snapshot):
        """Whether a snapshot with the same number shows the same book."""
        assert snapshot["lastUpdateId"] == self.update_id
        return self.sides == {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}
