"""The rules of the exchange, told as plays: best bid 99.90, best ask 100.10, ten lots a level."""

from tests.exchange.simulated.plays import play


def test_a_post_only_order_rests_or_is_refused():
    """LIMIT_MAKER never takes, neither from the market nor from anybody's order."""
    play("""
        A | BUY LIMIT_MAKER 0.10 @ 100.10         | -2010
        A | BUY LIMIT_MAKER 0.10 @ 100.00 #a      | NEW
        B | SELL LIMIT_MAKER 0.10 @ 100.00        | -2010
        A | SELL LIMIT_MAKER 0.10 @ 99.95         | -2010
        B | SELL LIMIT_MAKER 0.10 @ 100.05 #b     | NEW
    """)


def test_a_marketable_order_takes_level_by_level_and_the_rest_rests():
    """GTC rests, IOC expires, FOK is all or nothing, MARKET takes what it needs."""
    play("""
        A | BUY LIMIT 0.15 @ 100.11 GTC           | FILLED 0.10 @ 100.10, 0.05 @ 100.11
        A | BUY LIMIT 0.25 @ 100.11 GTC #rest     | PARTIALLY_FILLED 0.10 @ 100.10, 0.10 @ 100.11
        A | is #rest                              | PARTIALLY_FILLED 0.20
        A | BUY LIMIT 0.25 @ 100.11 IOC           | EXPIRED 0.10 @ 100.10, 0.10 @ 100.11
        A | BUY LIMIT 0.25 @ 100.11 FOK           | EXPIRED
        B | SELL LIMIT 0.20 @ 99.89 FOK           | FILLED 0.05 @ 100.11, 0.10 @ 99.90, 0.05 @ 99.89
        A | BUY MARKET 0.12                       | FILLED 0.10 @ 100.10, 0.02 @ 100.11
        A | SELL MARKET 0.12                      | FILLED 0.10 @ 99.90, 0.02 @ 99.89
        A | BUY MARKET quote 12                   | FILLED 0.10 @ 100.10, 0.01 @ 100.11
    """)


def test_accounts_trade_with_each_other_best_price_and_earliest_first():
    """An order inside the spread is met before the market; time beats size at one price."""
    play("""
        A | SELL LIMIT_MAKER 0.10 @ 100.00 #a     | NEW
        C | SELL LIMIT_MAKER 0.30 @ 100.00 #c     | NEW
        C | SELL LIMIT_MAKER 0.10 @ 100.10 #late  | NEW
        B | BUY LIMIT 0.20 @ 100.05 GTC           | FILLED 0.10 @ 100.00, 0.10 @ 100.00
        A | is #a                                 | FILLED 0.10
        C | is #c                                 | PARTIALLY_FILLED 0.10
        B | BUY LIMIT 0.35 @ 100.10 IOC | FILLED 0.20 @ 100.00, 0.10 @ 100.10, 0.05 @ 100.10
        C | is #late                              | PARTIALLY_FILLED 0.05
    """, accounts="ABC")  # fmt: skip
    play("""
        A | SELL LIMIT_MAKER 0.10 @ 100.10 #a     | NEW
        C | SELL LIMIT_MAKER 0.10 @ 100.10 #c     | NEW
        B | BUY LIMIT 0.30 @ 100.10 IOC | FILLED 0.10 @ 100.10, 0.10 @ 100.10, 0.10 @ 100.10
        A | is #a                                 | FILLED 0.10
        C | is #c                                 | FILLED 0.10
    """, accounts="ABC")  # fmt: skip


def test_the_recorded_market_fills_what_rests():
    """A print through a price fills it; a cancel comes too late then."""
    play("""
        A | BUY LIMIT_MAKER 0.03 @ 99.95 #a       | NEW
        A | BUY LIMIT_MAKER 0.10 @ 99.94 #b       | NEW
        A | wait 1                                |
        A | is #a                                 | FILLED 0.03
        A | is #b                                 | PARTIALLY_FILLED 0.02
        A | cancel #a                             | -2011
        A | cancel #b                             | CANCELED
        A | cancel #b                             | -2011
    """, min_notional="1")  # fmt: skip


def test_self_trades_are_prevented_as_the_order_asks():
    """The taker goes, the maker goes, both go, or both shrink."""
    play("""
        A | SELL LIMIT_MAKER 0.10 @ 100.00 #s     | NEW
        A | BUY LIMIT 0.10 @ 100.00 IOC selfTradePreventionMode=EXPIRE_TAKER | EXPIRED_IN_MATCH
        A | is #s                                 | NEW 0.00
        A | BUY LIMIT 0.10 @ 100.00 IOC #x        | EXPIRED
        A | is #s                                 | EXPIRED_IN_MATCH 0.00
        A | SELL LIMIT_MAKER 0.10 @ 100.00 #t     | NEW
        A | BUY LIMIT 0.10 @ 100.00 GTC selfTradePreventionMode=EXPIRE_BOTH | EXPIRED_IN_MATCH
        A | is #t                                 | EXPIRED_IN_MATCH 0.00
        A | SELL LIMIT_MAKER 0.20 @ 100.00 #u     | NEW
        A | BUY LIMIT 0.15 @ 100.00 GTC selfTradePreventionMode=DECREMENT | EXPIRED_IN_MATCH
        A | is #u                                 | NEW 0.00
        B | BUY LIMIT 0.10 @ 100.00 IOC           | EXPIRED 0.05 @ 100.00
        A | SELL LIMIT_MAKER 0.10 @ 100.00 #v     | NEW
        B | SELL LIMIT_MAKER 0.20 @ 100.00 #b     | NEW
        A | BUY LIMIT 0.15 @ 100.00 IOC selfTradePreventionMode=DECREMENT | FILLED 0.05 @ 100.00
        A | is #v                                 | EXPIRED_IN_MATCH 0.00
        B | is #b                                 | PARTIALLY_FILLED 0.05
    """)


def test_filters_and_parameters_are_judged():
    """Each broken rule has its code."""
    play("""
        A | BUY LIMIT_MAKER 0.10 @ 90.005         | -1013
        A | BUY LIMIT_MAKER 0.105 @ 90.00         | -1013
        A | BUY LIMIT_MAKER 0.01 @ 90.00          | -1013
        A | BUY LIMIT_MAKER 0 @ 90.00             | -1013
        A | BUY LIMIT_MAKER -1 @ 90.00            | -1100
        A | BUY LIMIT_MAKER 0.123456789 @ 90.00   | -1111
        A | BUY LIMIT 0.10 @ 90.00                | -1102
        A | BUY LIMIT 0.10 @ 90.00 GTX            | -1115
        A | BUY LIMIT_MAKER 0.10 @ 90.00 GTC      | -1106
        A | BUY MARKET 0.10 @ 90.00               | -1106
        A | BUY ICEBERG 0.10 @ 90.00              | -1116
        A | BUY STOP_LOSS 0.10                    | -2010
        A | HOLD LIMIT_MAKER 0.10 @ 90.00         | -1117
        A | BUY LIMIT_MAKER 0.10                  | -1102
        A | BUY LIMIT_MAKER 0.10 @ 90.00 #no.dots | -1100
        A | wait 1                                |
        A | BUY LIMIT_MAKER 100 @ 10.00           | -1013
        A | filter min_notional=20                |
        A | BUY LIMIT_MAKER 0.20 @ 90.00          | -1013
        A | filter tick=0.1                       |
        A | BUY LIMIT_MAKER 0.30 @ 90.05          | -1013
        A | BUY LIMIT_MAKER 0.30 @ 90.10 #ok      | NEW
        A | BUY LIMIT_MAKER 0.30 @ 90.10 #ok      | -2010
        A | filter max_position=1000              |
        A | BUY LIMIT_MAKER 0.30 @ 90.10          | -1013
    """)


def test_a_replacement_cancels_first_and_tells_what_failed():
    """-2022 when nothing happened, -2021 when the cancel alone did."""
    play("""
        A | BUY LIMIT_MAKER 0.10 @ 90.00 #a               | NEW
        A | replace #a BUY LIMIT_MAKER 0.10 @ 91.00 #b    | NEW
        A | replace #a BUY LIMIT_MAKER 0.10 @ 92.00 #c    | -2022
        A | replace #b BUY LIMIT_MAKER 0.10 @ 100.10 #d   | -2021
        A | is #b                                         | CANCELED 0.00
        A | replace #z BUY LIMIT_MAKER 0.10 @ 92.00 #e cancelReplaceMode=ALLOW_FAILURE | -2021
        A | cancel all                                    | 1 CANCELED
        A | cancel all                                    | -2011
    """)


def test_an_amendment_only_shrinks_and_keeps_its_place():
    """Smaller is granted, larger is not; the smaller order is still the first at its price."""
    play("""
        A | SELL LIMIT_MAKER 0.30 @ 100.00 #a     | NEW
        B | SELL LIMIT_MAKER 0.30 @ 100.00 #b     | NEW
        A | amend #a 0.40                         | -2038
        A | amend #a 0.30                         | -2038
        A | amend #a 0.20                         | NEW 0.20
        A | amend #z 0.20                         | -2013
        C | BUY LIMIT 0.25 @ 100.00 IOC           | FILLED 0.20 @ 100.00, 0.05 @ 100.00
        A | is #a                                 | FILLED 0.20
        B | is #b                                 | PARTIALLY_FILLED 0.05
        A | amend #a 0.10                         | -2011
    """, accounts="ABC")  # fmt: skip


def test_a_symbol_that_does_not_trade_takes_no_orders():
    """BREAK stops everything, CANCEL_ONLY lets cancels through."""
    play("""
        A | BUY LIMIT_MAKER 0.10 @ 90.00 #a       | NEW
        A | BUY LIMIT_MAKER 0.10 @ 91.00 #b       | NEW
        A | status BREAK                          |
        A | BUY LIMIT_MAKER 0.10 @ 92.00          | -1013
        A | cancel #a                             | -1013
        A | status CANCEL_ONLY                    |
        A | BUY LIMIT_MAKER 0.10 @ 92.00          | -1013
        A | cancel #a                             | CANCELED
        A | status TRADING                        |
        A | cancel all                            | 1 CANCELED
    """)


def test_balances_lock_what_open_orders_could_cost():
    """A buy locks its notional, a sell its quantity; fees come out of what is received."""
    play("""
        A | free USDT                             | 10000
        A | BUY LIMIT_MAKER 10 @ 90.00 #a         | NEW
        A | free USDT                             | 9100
        A | BUY LIMIT_MAKER 102 @ 90.00           | -2010
        A | SELL LIMIT_MAKER 100 @ 110.00 #s      | NEW
        A | free PLAY                             | 0
        A | SELL LIMIT_MAKER 0.10 @ 110.00        | -2010
        A | cancel all                            | 2 CANCELED
        A | BUY MARKET 0.10                       | FILLED 0.10 @ 100.10
        A | free PLAY                             | 100.09998
        A | free USDT                             | 9989.99
        A | SELL MARKET 0.10                      | FILLED 0.10 @ 99.90
        A | free USDT                             | 9999.978002
    """, held="100")  # fmt: skip
    play("""
        A | SELL LIMIT_MAKER 0.30 @ 100.00 #s     | NEW
        B | BUY LIMIT 0.10 @ 100.00 IOC           | FILLED 0.10 @ 100.00
        A | free PLAY                             | 99.7
        A | BUY LIMIT_MAKER 0.30 @ 99.95 #b       | NEW
        B | SELL LIMIT 0.10 @ 99.95 IOC           | FILLED 0.10 @ 99.95
        A | free USDT                             | 9980.014
    """, held="100")  # fmt: skip


def test_fees_can_come_from_another_asset_or_from_the_quote():
    """With BNB the received amount is whole; a contract's fees are all quote."""
    play("""
        A | BUY MARKET 0.10                       | FILLED 0.10 @ 100.10
        A | free PLAY                             | 100.1
        A | free BNB                              | 0.9999975
    """, held="100", fee_asset="BNB")  # fmt: skip
    play("""
        A | BUY MARKET 0.10                       | FILLED 0.10 @ 100.10
        A | free PLAY                             | 100.1
        A | free USDT                             | 9989.987998
    """, held="100", fee_in_base=False)  # fmt: skip


def test_no_more_orders_rest_than_the_symbol_allows():
    """MAX_NUM_ORDERS is 200."""
    stage = play("")
    for number in range(200):
        assert stage.do("A", f"BUY LIMIT_MAKER 0.10 @ 90.00 #n{number}") == "NEW"
    assert stage.do("A", "BUY LIMIT_MAKER 0.10 @ 90.00") == "-1013"
    assert stage.do("A", "BUY LIMIT 0.10 @ 100.10 IOC") == "-1013"
