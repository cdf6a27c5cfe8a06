"""The ledger again, with whole numbers and fractions of any size: nothing overflows here."""

from dataclasses import dataclass, field
from fractions import Fraction

from market import layout

UNITS = 10**8


@dataclass
class Scale:
    """What one tick, one lot and one fee mean."""

    tick_lot: int
    lot: int
    maker: int = 0
    taker: int = 0
    fee_in_base: bool = False
    tiers: tuple[tuple[int, int, int], ...] = ()

    def row(self):
        """The same as the kernels' columns."""
        cells = [0] * layout.SCALE_COLUMNS
        cells[layout.SCALE_TICK_LOT] = self.tick_lot
        cells[layout.SCALE_LOT] = self.lot
        cells[layout.SCALE_MIN_LOTS] = 1
        cells[layout.SCALE_MAKER_FEE] = self.maker
        cells[layout.SCALE_TAKER_FEE] = self.taker
        cells[layout.SCALE_FEE_IN_BASE] = int(self.fee_in_base)
        cells[layout.SCALE_SPOT] = 1
        return cells

    def rate(self, traded, *, maker):
        """The fee that holds after so much was traded."""
        reached = [tier for tier in self.tiers if tier[0] <= traded]
        if reached:
            return reached[-1][1 if maker else 2]
        return self.maker if maker else self.taker

    def value(self, base, half_ticks):
        """Worth of base units in quote units; `round` is half-even."""
        return round(Fraction(base * half_ticks * self.tick_lot, 2 * self.lot))


@dataclass
class Lot:
    """Open lots of one price."""

    signed: int
    price: int
    time: int
    fee: int


@dataclass
class Ledger:
    """Balances, the three parts of profit, and the open lots."""

    scale: Scale
    quote: int
    base: int
    target: int = 0
    mark_at: int = 0
    opening: int = 0
    spread: int = 0
    fees: int = 0
    inventory: int = 0
    traded: int = 0
    funding: int = 0
    peak: int = 0
    drawdown: int = 0
    fees_quote: int = 0
    fees_base: int = 0
    dust: int = 0
    spare_fee: int = 0
    lots: list[Lot] = field(default_factory=list)
    trips: list[tuple] = field(default_factory=list)

    @property
    def equity(self):
        """Everything at the last mark."""
        return self.quote + self.scale.value(self.base, self.mark_at)

    @property
    def position(self):
        """Whole lots over the target, toward zero."""
        units = self.base - self.target
        return abs(units) // self.scale.lot * (1 if units > 0 else -1)

    def mark(self, half_ticks):
        """Value at another mid."""
        before, first = self.equity, self.mark_at == 0
        self.mark_at = half_ticks
        if first:
            self.opening = self.peak = self.equity
        else:
            self.inventory += self.equity - before
        self.peak = max(self.peak, self.equity)
        self.drawdown = max(self.drawdown, self.peak - self.equity)

    def fill(self, side, price, size, time, *, maker):
        """Book a fill at the last mark, or at its own price before the first."""
        if self.mark_at == 0:
            self.mark_at = 2 * price
            self.opening = self.peak = self.equity
        before = self.equity
        self.quote -= side * price * size * self.scale.tick_lot
        self.base += side * size * self.scale.lot
        between = self.equity
        rate = self.scale.rate(self.traded, maker=maker)
        self.traded += price * size * self.scale.tick_lot
        if side == layout.BUY and self.scale.fee_in_base:
            fee = round(Fraction(size * self.scale.lot * rate, UNITS))
            self.base -= fee
            self.fees_base += fee
            self.dust += fee
        else:
            fee = round(Fraction(price * size * self.scale.tick_lot * rate, UNITS))
            self.quote -= fee
            self.fees_quote += fee
        self.spread += between - before
        self.fees += self.equity - between
        self._match(side * size, price, time, between - self.equity)
        self._take_dust(price, time)

    def fund(self, rate):
        """Pay funding on the position at the last mark; open lots carry it by their size."""
        worth = Fraction(self.position * self.mark_at * self.scale.tick_lot, 2)
        paid = round(worth * rate / UNITS)
        self.quote -= paid
        self.funding -= paid
        whole = sum(abs(lot.signed) for lot in self.lots)
        size = 0
        for lot in self.lots:
            shared = round(Fraction(paid * size, whole))
            size += abs(lot.signed)
            lot.fee += round(Fraction(paid * size, whole)) - shared

    def _open(self, signed, price, time, fee):
        self.lots.append(Lot(signed, price, time, fee + self.spare_fee))
        self.spare_fee = 0

    def _shrink(self, part):
        lot = self.lots[0]
        fee = round(Fraction(lot.fee * abs(part), abs(lot.signed)))
        lot.signed -= part
        lot.fee -= fee
        if lot.signed == 0:
            self.lots.pop(0)
        return fee

    def _match(self, signed, price, time, cost):
        while signed and self.lots and self.lots[0].signed * signed < 0:
            lot = self.lots[0]
            part = min(abs(signed), abs(lot.signed)) * (1 if lot.signed > 0 else -1)
            share = round(Fraction(cost * abs(part), abs(signed)))
            opened, at = lot.price, lot.time
            profit = part * (price - opened) * self.scale.tick_lot - share - self._shrink(part)
            self.trips.append((at, time, part, opened, price, profit))
            cost -= share
            signed += part
        if signed:
            self._open(signed, price, time, cost)

    def _take_dust(self, price, time):
        while abs(self.dust) >= self.scale.lot:
            sign = 1 if self.dust > 0 else -1
            owed = sign * (abs(self.dust) // self.scale.lot)
            if self.lots and self.lots[0].signed * owed > 0:
                owed = sign * min(abs(owed), abs(self.lots[0].signed))
                self.spare_fee += self._shrink(owed)
            else:
                self._open(-owed, price, time, 0)
            self.dust -= owed * self.scale.lot
