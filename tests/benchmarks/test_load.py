import math
from types import SimpleNamespace

import pandas as pd
import pytest
from load import Target, count_batches, raise_rates, summarise_requests

METRICS = """# TYPE wesad_batch_windows histogram
wesad_batch_windows_bucket{{le="+Inf",replica="a"}} 9
wesad_batch_windows_sum{{replica="a"}} {a_windows}
wesad_batch_windows_count{{replica="a"}} {a_batches}
wesad_batch_windows_sum{{replica="b"}} {b_windows}
wesad_batch_windows_count{{replica="b"}} {b_batches}
"""


class Clients:
    """Answer every request of an open loop, but for those above a rate."""

    def __init__(self, milliseconds=5.0, failing_above=math.inf):
        self.milliseconds, self.failing_above = milliseconds, failing_above

    def submit(self, _, target, rate, seconds):
        status = 503 if rate > self.failing_above else 200
        rows = [(k / rate, self.milliseconds, status) for k in range(round(rate * seconds))]
        return SimpleNamespace(result=lambda: pd.DataFrame(rows, columns=["start_s", "milliseconds", "status"]))


def metrics(*totals):
    names = ("a_windows", "a_batches", "b_windows", "b_batches")
    texts = iter([METRICS.format(**dict(zip(names, values, strict=True))) for values in totals])
    return lambda: next(texts)


def test_windows_and_batches_are_those_of_all_replicas():
    assert count_batches(metrics((10, 4, 5, 1))()) == (15, 5)
    assert count_batches("") == (0, 0)


def test_rates_rise_until_one_is_too_high_and_windows_together_are_of_that_rate_alone():
    counts = metrics((10, 4, 5, 1), (20, 9, 5, 1), (20, 9, 5, 1), (60, 19, 45, 11))
    found = raise_rates(Clients(failing_above=50), Target(1, "/", "", (b"",)), [50, 100, 200], 1.0, counts)
    assert found["rate"].tolist() == [50, 100]
    assert found["saturated"].tolist() == [False, True]
    assert found["batch_windows"].tolist() == [2.0, 4.0]
    assert found["errors"].tolist() == [0, 100]


@pytest.mark.parametrize(("milliseconds", "saturated"), [(1000.0, False), (1001.0, True)])
def test_slow_answers_are_too_high_a_rate(milliseconds, saturated):
    same = metrics(*[(1, 1, 1, 1)] * 2)
    found = raise_rates(Clients(milliseconds), Target(1, "/", "", (b"",)), [100], 100.0, same)
    assert found["saturated"].tolist() == [saturated]
    assert math.isnan(found["batch_windows"][0])


def test_errors_count_as_asked_and_not_as_answered():
    # 101 answers of 0, 1, ..., 100 ms; two that failed, of which one was waited for until ten seconds had passed.
    rows = [(10 + k / 100, float(k), 200) for k in range(101)] + [(10.5, 1.0, 503), (10.5, 9500.0, 0)]
    found = summarise_requests(pd.DataFrame(rows, columns=["start_s", "milliseconds", "status"]))
    assert (found["requests"], found["errors"]) == (103, 2)
    assert found["requests_per_s"] == pytest.approx(101 / 10)
    assert [found[f"p{share}_ms"] for share in (50, 95, 99)] == pytest.approx([50, 95, 99])


def test_nothing_answered_has_no_latency():
    failed = pd.DataFrame({"start_s": [0.0, 1.0], "milliseconds": [5.0, 5.0], "status": [0, 500]})
    found = summarise_requests(failed)
    assert (found["errors"], found["requests_per_s"]) == (2, 0)
    assert found["p50_ms"] != found["p50_ms"]
