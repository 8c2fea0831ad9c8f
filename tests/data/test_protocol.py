"""Labels and protocol in a recording's own seconds."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from wesadlib.data.protocol import align_protocol, count_windows, label_blocks, label_minutes


def make_labels(*runs: tuple[int, float], rate_hz: float = 10.0) -> xr.DataArray:
    codes = np.concatenate([np.full(round(seconds * rate_hz), code, np.int8) for code, seconds in runs])
    return xr.DataArray(codes, dims="time", attrs={"rate_hz": rate_hz})


def make_order(*rows: tuple[str, float, float]) -> pd.DataFrame:
    order = pd.DataFrame(rows, columns=["condition", "start_s", "end_s"])
    return order.assign(name=order["condition"])


def test_blocks():
    blocks = label_blocks(make_labels((0, 5), (1, 20), (6, 3), (1, 2)))
    assert blocks.to_dict("list") == {
        "code": [0, 1, 6, 1],
        "state": ["transient", "baseline", "ignored", "baseline"],
        "start_s": [0, 5, 25, 28],
        "end_s": [5, 25, 28, 30],
    }


def test_one_block():
    assert len(label_blocks(make_labels((3, 4)))) == 1


def test_minutes():
    minutes = label_minutes(make_labels((0, 60), (2, 90), (5, 30), (7, 30)))
    assert minutes == {
        "transient": 1,
        "baseline": 0,
        "stress": 1.5,
        "amusement": 0,
        "meditation": 0,
        "ignored": 1,
    }


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        # Windows start at 0, 30, 60 … s; a window is its most frequent label's.
        ([(1, 60)], (1, 0, 0)),
        ([(1, 59.9)], (0, 0, 0)),
        ([(1, 119.9)], (2, 0, 0)),
        ([(1, 120)], (3, 0, 0)),
        ([(1, 31), (2, 29)], (1, 0, 0)),
        ([(1, 29), (2, 31)], (0, 1, 0)),
        # Neither transients nor meditation nor the readings make a window.
        ([(0, 60), (1, 60)], (1, 0, 0)),
        ([(4, 120)], (0, 0, 0)),
        ([(6, 40), (3, 20)], (0, 0, 0)),
        # The most frequent label need not have half of the window.
        ([(0, 15), (3, 25), (2, 20)], (0, 0, 1)),
    ],
)
def test_windows_by_majority(runs, expected):
    assert tuple(count_windows(make_labels(*runs)).values()) == expected


def test_other_windows():
    labels = make_labels((1, 100))
    assert count_windows(labels, window_s=20, hop_s=20)["baseline"] == 5
    assert count_windows(labels, window_s=20, hop_s=5)["baseline"] == 17


def test_the_crop_is_found_from_the_labels():
    labels = make_labels((0, 20), (1, 100), (0, 40), (2, 50), (0, 30))
    order = make_order(("baseline", 310, 430), ("reading", 440, 450), ("stress", 450, 520))
    protocol = align_protocol(order, labels)
    assert protocol.attrs == {"crop_s": 300, "crop_error_s": 0}
    assert protocol["start_s"].tolist() == [10, 140, 150]
    assert protocol["end_s"].tolist() == [130, 150, 220]


def test_blocks_of_one_state_are_matched_in_the_order_of_time():
    labels = make_labels((0, 20), (4, 30), (0, 60), (4, 30), (0, 10))
    order = make_order(("meditation", 60, 110), ("meditation", 150, 200)).assign(name=["Medi 2", "Medi 1"])
    protocol = align_protocol(order, labels)
    assert protocol.attrs == {"crop_s": 50, "crop_error_s": 0}
    assert protocol["name"].tolist() == ["Medi 2", "Medi 1"]


def test_one_block_out_of_place_moves_nothing_and_is_reported():
    labels = make_labels((0, 20), (1, 100), (0, 40), (2, 50), (0, 30), (3, 40))
    order = make_order(("baseline", 310, 430), ("stress", 450, 520), ("amusement", 560, 620))
    protocol = align_protocol(order, labels)
    assert protocol.attrs == {"crop_s": 300, "crop_error_s": 30}


def test_a_state_with_another_number_of_blocks_is_not_used():
    labels = make_labels((0, 20), (1, 100), (0, 5), (1, 5), (0, 35), (2, 50))
    protocol = align_protocol(make_order(("baseline", 310, 430), ("stress", 455, 525)), labels)
    assert protocol.attrs == {"crop_s": 300, "crop_error_s": 0}


def test_without_a_match_the_times_are_unknown():
    protocol = align_protocol(make_order(("baseline", 310, 430)), make_labels((0, 20)))
    assert protocol[["start_s", "end_s"]].isna().all(axis=None)
    assert np.isnan(protocol.attrs["crop_s"]) and np.isnan(protocol.attrs["crop_error_s"])


def test_no_protocol_at_all():
    empty = make_order()
    assert align_protocol(empty, make_labels((1, 20))).empty
