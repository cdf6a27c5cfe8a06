"""The fill models told as plays: one market, and what each makes of it."""

import pytest

from market.queueing import MODEL_NAMES
from tests.market.plays import play

IN_LINE = """
    bid 10 @ 99
    buy A 2 @ 99
    bid 20 @ 99
    bid 12 @ 99
    sold 7 @ 99 -> {}
"""


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("risk-averse", ""),  # 10 before us, the 8 that left stood behind
        ("power:1", "A filled 1 @ 99"),  # half of the 8 stood before us: 6
        ("power-share:1", "A filled 1 @ 99"),
        ("power-front:1", "A filled 1 @ 99"),
        ("log", "A filled 1 @ 99"),  # log is even in the middle too
        ("log-share", ""),  # 79 % behind: 8.3 before us
        ("trade-through", ""),
        ("touch", "A filled 2 @ 99"),
    ],
)
def test_who_cancelled_is_the_whole_difference_between_models(model, told):
    """Ten before us, ten join behind, eight leave, seven print."""
    play(IN_LINE.format(told), model)


@pytest.mark.parametrize("model", MODEL_NAMES)
def test_beyond_our_price_all_models_agree(model):
    """Whoever stood before us is gone."""
    play("bid 9 @ 99\nbuy A 3 @ 99\nsold 2 @ 98 -> A filled 2 @ 99", model)


def test_with_order_ids_it_is_known_who_left():
    """Event 0 was before us, event 1 came after: only the first one's leaving moves us up."""
    play(
        """
        bid 5 @ 99 #0
        buy A 2 @ 99
        bid 9 @ 99 #1
        bid 6 @ 99 #1
        sold 5 @ 99
        bid 1 @ 99 #0
        sold 1 @ 99 -> A filled 1 @ 99
    """,
        "fifo",
    )
    play(
        """
        bid 5 @ 99 #0
        buy A 2 @ 99
        bid 9 @ 99 #1
        bid 6 @ 99 #0
        sold 3 @ 99 -> A filled 1 @ 99
    """,
        "fifo",
    )


def test_the_pessimist_waits_for_a_price_beyond_its_own():
    """Neither a print nor an ask at our price is enough."""
    play(
        """
        buy A 3 @ 99
        sold 9 @ 99
        ask 9 @ 99
        ask 0 @ 99
        ask 2 @ 98 -> A filled 2 @ 99
    """,
        "trade-through",
    )
