"""A running server: the same numbers as the book, and refusals over the wire."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import minutes
import pytest

from wesadlib.bundle import load_bundle
from wesadlib.data import open_wesad
from wesadlib.signals import make_windows


@pytest.mark.parametrize("form", ["json", "binary"])
def test_both_forms_and_the_batch_give_the_bundles_answers(server, served_bundle, form):
    recording = minutes.wrist_recording(4)
    windows = make_windows(minutes.ToyCohort([recording]), device="wrist")
    book = load_bundle(served_bundle).predict(windows)
    sent = [(minutes.cut(recording, start), minutes.RATES_HZ) for start in windows["start_s"].values]
    served = server.predict_batch(
        [*sent[:3], (sent[3][0], {**minutes.RATES_HZ, "wrist_bvp": 32}), *sent[3:]], form=form
    )
    assert (served[3].status, served[3].errors[0].name) == (422, "wrist_bvp")
    del served[3]
    assert len(served) == len(book) == 7
    for window, answer, batched in zip(sent, book, served, strict=True):
        alone = server.predict(*window, form=form)
        assert batched.status == alone.status == answer.status == "ok"
        assert alone.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
        assert batched.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
        assert batched.quality == pytest.approx(answer.quality, abs=1e-6)


@pytest.mark.real
def test_server_and_book_agree_on_real_minutes(server, served_bundle, wesad_root):
    cohort = open_wesad(wesad_root, ["S2"])
    windows = make_windows(cohort, device="wrist").isel(window=slice(None, None, 12))
    book = load_bundle(served_bundle).predict(windows)
    for answer, start in zip(book, windows["start_s"].values, strict=True):
        served = server.predict(minutes.cut(cohort[0], start), minutes.RATES_HZ)
        assert (served.status, served.state) == (answer.status, answer.state)
        assert served.quality == pytest.approx(answer.quality, abs=1e-6)
        if answer.status == "ok":
            assert served.probabilities == pytest.approx(answer.probabilities, abs=1e-6)
    assert "ok" in {answer.status for answer in book}


def test_no_caller_cuts_a_requests_time(server):
    headers = {"x-request-timeout-seconds": "0.00001"}
    assert httpx.get(f"{server.url}/model", headers=headers, trust_env=False).status_code == 200


def test_requests_at_the_same_time_do_not_mix(server, served_bundle):
    bundle = load_bundle(served_bundle)
    signals = [minutes.wrist_signals(seed=seed) for seed in range(8)]
    expected = [bundle.predict_window(signal, minutes.RATES_HZ).probabilities["stress"] for signal in signals]
    assert len({round(value, 6) for value in expected}) == 8
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda signal: server.predict(signal, minutes.RATES_HZ), signals))
    assert [answer.probabilities["stress"] for answer in answers] == pytest.approx(expected, abs=1e-6)
