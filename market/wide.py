"""Products of two 64-bit figures, divided by a third, without losing a digit.

Money is 1e-8 of its asset, so a notional times a fee leaves int64; nothing here may round early.
"""

from market.jit import kernel

INT64_MAX = (1 << 63) - 1


@kernel
def multiply_divide(a: int, b: int, divisor: int) -> tuple[int, int]:
    """Return (quotient, remainder) of a x b / divisor; the quotient must fit int64.

    Args:
        a: i8, >= 0.
        b: i8, >= 0.
        divisor: i8, > 0.
    """
    if a == 0 or b <= INT64_MAX // a:
        product = a * b
        quotient = product // divisor
        return quotient, product - quotient * divisor
    # Long division, one bit of `a` at a time from the top. Each step keeps remainder and part
    # below the divisor and compares before it adds, so nothing leaves int64.
    whole = b // divisor
    part = b - whole * divisor
    quotient = 0
    remainder = 0
    for shift in range(62, -1, -1):
        quotient *= 2
        if remainder >= divisor - remainder:  # 2 x remainder >= divisor, without overflow
            remainder -= divisor - remainder
            quotient += 1
        else:
            remainder *= 2
        if (a >> shift) & 1 == 1:
            quotient += whole
            if remainder >= divisor - part:
                remainder -= divisor - part
                quotient += 1
            else:
                remainder += part
    return quotient, remainder


@kernel
def divide(a: int, b: int, divisor: int) -> int:
    """Return a x b / divisor rounded half-even; a and b may have either sign."""
    quotient, remainder = multiply_divide(abs(a), abs(b), divisor)
    rest = divisor - remainder
    if remainder > rest or (remainder == rest and quotient % 2 == 1):
        quotient += 1
    return -quotient if (a < 0) != (b < 0) else quotient
