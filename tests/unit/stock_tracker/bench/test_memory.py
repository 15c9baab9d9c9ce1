"""What is made of samples of processes."""

from stock_tracker.bench.memory import of_samples
from stock_tracker.bench.usage import ProcessUsage


def test_growth_is_what_is_left_at_the_end_beside_the_second_fifth() -> None:
    sizes = [50.0, 100.0, 100.0, 100.0, 104.0, 103.0, 106.0, 108.0, 109.0, 110.0, 110.0]
    samples = [(float(second), {"it": ProcessUsage(0.0, size, size + 5)}) for second, size in enumerate(sizes)]
    figures = of_samples(samples)
    assert figures["peak_it"].values == [115.0]
    assert figures["growth_it"].values == [10.0]
    assert figures["growth_part_it"].values == [10.0]
    assert figures["growth_most"].values == [10.0]
