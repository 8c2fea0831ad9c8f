"""The same app on a cluster: two replicas on two nodes answer as one."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import minutes
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from wesadlib.bundle import load_bundle
from wesadlib.drift import find_threshold, make_reference
from wesadlib.features import extract_features
from wesadlib.params import Params
from wesadlib.quality import assess_quality
from wesadlib.serving import Client, RequestRefused
from wesadlib.serving.configuration import Replicas, make_configuration
from wesadlib.serving.ports import free_port
from wesadlib.serving.process import RAY
from wesadlib.signals import make_windows

TOKEN = "0123456789abcdef-token"
WINDOWS = [(minutes.wrist_signals(seed=seed), minutes.RATES_HZ) for seed in range(10)]


@pytest.fixture(scope="module")
def watched_bundle(tmp_path_factory):
    """A bundle that knows people's rest and what drift is measured against."""
    params = Params(device="wrist")
    cohort = minutes.ToyCohort([minutes.wrist_recording(200 + k, 360.0) for k in range(5)])
    windows = extract_features(assess_quality(make_windows(cohort, device="wrist"), params))
    reference = make_reference(windows)
    threshold = find_threshold(reference, people=2, false_alarm_rate=0.3)
    folder = tmp_path_factory.mktemp("cluster") / "bundle"
    return minutes.save_small_bundle(
        "logistic", folder, rested=True, drift_reference=reference, drift_threshold=threshold
    )


@pytest.fixture(scope="module")
def cluster(watched_bundle):
    """(client, node of each replica)."""
    plain = make_configuration(watched_bundle, {"token_variable": "WESAD_TOKEN"}, port=free_port())
    replicas = Replicas(num_replicas=2, ray_actor_options={"num_cpus": 1})
    tokens = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64, "WESAD_TOKEN": TOKEN}
    # Else a proxy asks the replica on its own node for as long as that has time.
    environment = os.environ | RAY | tokens | {"RAY_SERVE_PROXY_PREFER_LOCAL_NODE_ROUTING": "0"}
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("two_nodes.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        process.stdin.write(plain.model_copy(update={"replicas": replicas}).model_dump_json() + "\n")
        process.stdin.flush()
        nodes = json.loads(process.stdout.readline())
        with Client(f"http://127.0.0.1:{plain.http.port}", token=TOKEN) as client:
            yield client, nodes
    finally:
        started = [process, *psutil.Process(process.pid).children(recursive=True)]
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=30)
        for left in started:
            with suppress(psutil.NoSuchProcess):
                left.kill()


@pytest.fixture
def client(cluster):
    return cluster[0]


def count_windows(client):
    """How many windows each replica has answered, as any of them tells it."""
    found = Counter()
    for family in text_string_to_metric_families(client.metrics()):
        for sample in family.samples:
            if sample.name == "wesad_windows_total":
                found[sample.labels["replica"]] += sample.value
    return found


def wait_for(ask, right):
    until = time.monotonic() + 10
    while not right(told := ask()) and time.monotonic() < until:
        time.sleep(0.2)
    return told


def test_each_replica_has_a_node_of_its_own(cluster):
    _, nodes = cluster
    assert len(nodes) == len(set(nodes)) == 2


@pytest.fixture
def spread(client):
    """Ask for a window an item, four at a time; all have to be counted, and some of them at each replica."""

    def ask(function, items):
        before = count_windows(client)
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(function, items))
        wanted = before.total() + len(items)
        after = wait_for(lambda: count_windows(client), lambda told: told.total() >= wanted)
        assert after.total() == wanted
        assert len(after - before) == 2
        return answers

    return ask


def test_both_replicas_give_the_bundles_answers_and_are_counted_together(client, spread, watched_bundle):
    expected = [answer.probabilities for answer in load_bundle(watched_bundle).predict_windows(WINDOWS)]
    answers = spread(lambda window: client.predict(*window), WINDOWS * 3)
    for answer, probabilities in zip(answers, expected * 3, strict=True):
        assert answer.probabilities == pytest.approx(probabilities, abs=1e-6)


def test_a_rest_that_one_replica_took_is_known_to_both(client, spread, watched_bundle):
    rest = client.rest("ann", WINDOWS[:2])
    bundle = load_bundle(watched_bundle)
    expected = bundle.predict_window(*WINDOWS[4], rest=bundle.rest_values(WINDOWS[:2])).probabilities
    answers = spread(lambda _: client.predict(*WINDOWS[4], rest=rest.rest), range(20))
    assert {answer.protocol for answer in answers} == {"rest_calibrated"}
    assert all(answer.probabilities == pytest.approx(expected, abs=1e-6) for answer in answers)


def test_drift_is_judged_on_the_windows_of_both(client, spread):
    # Each person's windows are just enough: what one replica alone was sent is not.
    sent = [(window, person) for window in WINDOWS for person in ("bob", "eve")]
    spread(lambda one: client.predict(*one[0], person=one[1]), sent)
    report = wait_for(client.drift, lambda told: told.people == 2)
    assert (report.people, report.people_with_fewer, report.windows) == (2, 0, 20)
    assert report.alarm is not None and report.statistic > 0 and report.table


def test_the_token_is_asked_for_at_both(client):
    with Client(client.url, retry_s=0) as stranger:
        for _ in range(8):
            with pytest.raises(RequestRefused, match="401"):
                stranger.model()
        assert stranger.ready().model_version == client.model().version
