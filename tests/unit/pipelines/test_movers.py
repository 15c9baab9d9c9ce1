"""The largest buyers and sellers, kept from change to change, are those that a look at all symbols finds."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.movers import KEPT, MOVERS, NetFlow, Ranking, movers_of, top_buyers, top_sellers

SYMBOLS = [f"S{n:02}" for n in range(3 * KEPT)]
CHANGES = st.lists(st.dictionaries(st.sampled_from(SYMBOLS), st.integers(-60, 60), max_size=12), max_size=100)


def ranked_again(nets: dict[str, NetFlow]) -> Ranking:
    ranking = Ranking()
    ranking.replace(set(), nets.values())
    return ranking


@given(CHANGES)
def test_movers_are_those_of_all_symbols_after_every_change(changes: list[dict[str, int]]) -> None:
    nets: dict[str, NetFlow] = {}
    ranking = Ranking()
    for change in changes:
        flows = {symbol: NetFlow(symbol, value, value) for symbol, value in change.items()}
        nets |= flows
        ranking.replace(flows.keys(), flows.values())
        if not ranking.is_exact:
            ranking = ranked_again(nets)
        movers = movers_of("HOSE", [ranking])
        assert movers.buyers == top_buyers(nets.values())
        assert movers.sellers == top_sellers(nets.values())


def test_a_ranking_is_exact_until_too_many_have_fallen_back() -> None:
    ranking = ranked_again({symbol: NetFlow(symbol, 1_000 - n, 1) for n, symbol in enumerate(SYMBOLS)})
    assert len(ranking.buyers.flows) == KEPT
    for n, symbol in enumerate(SYMBOLS[:KEPT]):
        assert ranking.is_exact is (n <= KEPT - MOVERS)
        ranking.replace({symbol}, [NetFlow(symbol, 1, 1)])


def test_symbols_of_equal_value_are_in_the_order_of_their_names() -> None:
    ranking = ranked_again({symbol: NetFlow(symbol, 5, 1) for symbol in reversed(SYMBOLS)})
    assert [mover.symbol for mover in movers_of("HOSE", [ranking]).buyers] == SYMBOLS[:MOVERS]
