import json
import os
import secrets
import subprocess
import sys
from ipaddress import ip_address
from unittest.mock import Mock

import pandas as pd
import pytest
import stub_models

from wesadlib.errors import InputError
from wesadlib.evaluation.runner import evaluate
from wesadlib.evaluation.workers import CLOSED, RAY_ENVIRONMENT, shared_workers, start_patiently
from wesadlib.params import Params

# One after the other, where tests are spread over processes.


@pytest.fixture(scope="module")
def cluster():
    """Two real nodes with one worker each, on this machine."""
    os.environ.update(RAY_ENVIRONMENT | CLOSED | {"RAY_AUTH_TOKEN": secrets.token_hex(32)})
    import ray
    from ray.cluster_utils import Cluster

    # On a cluster everybody's models are importable; the tests' are not, so they travel with the task.
    ray.cloudpickle.register_pickle_by_value(stub_models)
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = start_patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    start_patiently(lambda: cluster.add_node(num_cpus=1))
    yield cluster
    cluster.shutdown()
    ray.cloudpickle.unregister_pickle_by_value(stub_models)


def two_workers(cluster):
    return Params(workers=2, ray_address=cluster.address)


def test_a_cluster_gives_the_numbers_of_a_serial_run_and_uses_its_nodes(cluster, small_windows, capsys):
    import ray

    options = {"seeds": [0, 1], "return_training": True}
    serial = evaluate("slow", small_windows, progress=False, **options)
    parallel = evaluate("slow", small_windows, params=two_workers(cluster), **options)
    for one, other in zip(serial, parallel, strict=True):
        names = one.columns.drop(["seconds", "node"], errors="ignore")
        pd.testing.assert_frame_equal(one[names], other[names])
    assert parallel[1]["node"].nunique() == 2
    assert "10/10" in capsys.readouterr().err and not ray.is_initialized()


def test_a_start_for_which_a_busy_machine_took_too_long_is_made_again():
    late = Exception("The current node timed out during startup. This could happen because ...")
    assert start_patiently(Mock(side_effect=[late, "started"])) == "started"
    start = Mock(side_effect=late)
    with pytest.raises(Exception, match="timed out during startup"):
        start_patiently(start)
    assert start.call_count == 3


def test_a_dead_worker_is_replaced_and_a_fold_that_keeps_failing_is_named(
    cluster, small_windows, tmp_path, monkeypatch
):
    deaths, kept = tmp_path / "deaths", tmp_path / "folds"
    deaths.mkdir()
    monkeypatch.setattr(stub_models.Fragile, "folder", deaths)
    monkeypatch.setattr(stub_models.Fragile, "deaths", {"S3": 1, "S5": 99})
    options = {"params": two_workers(cluster), "folds": kept, "progress": False}
    sentence = r"^fold of S5 \(fragile, cold_start, seed 0\): the worker died 3 times .*run again"
    with pytest.warns(UserWarning, match=sentence):
        others, training = evaluate("fragile", small_windows, return_training=True, **options)
    assert set(others["subject"]) == {"S2", "S3", "S4", "S6"}
    assert training.loc[training["error"].str.contains("the worker died"), "subject"].tolist() == ["S5"]
    assert " ".join(sorted(path.name for path in deaths.iterdir())) == "S2-0 S3-0 S3-1 S4-0 S5-0 S5-1 S5-2 S6-0"
    assert sorted(path.name.split("-")[3] for path in kept.iterdir()) == ["S2", "S3", "S4", "S6"]

    monkeypatch.setattr(stub_models.Fragile, "deaths", {})
    predictions = evaluate("fragile", small_windows, **options)
    assert len(list(deaths.iterdir())) == 9, "only the fold that failed ran again"
    serial = evaluate("centroid", small_windows, progress=False)
    pd.testing.assert_frame_equal(predictions.drop(columns="model"), serial.drop(columns="model"))


def test_an_unforeseen_error_in_a_worker_fails_its_fold_in_the_words_of_a_serial_run(
    cluster, small_windows, monkeypatch
):
    monkeypatch.setattr(stub_models.Failing, "people", ("S4",))
    options = {"params": two_workers(cluster), "progress": False, "return_training": True}
    with pytest.warns(UserWarning, match="no idea"):
        _, training = evaluate("failing", small_windows, **options)
    assert training["error"][2] == "fold of S4 (failing, cold_start, seed 0): ValueError: no idea"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nonsense"])
def test_an_address_where_no_cluster_is_is_named(small_windows, address):
    with pytest.raises(InputError, match=rf"^ray_address='{address}': no Ray cluster answers there"):
        evaluate("centroid", small_windows, params=Params(workers=1, ray_address=address), progress=False)


def test_workers_that_are_shared_serve_every_evaluation_of_a_block(cluster, small_windows):
    import ray

    params = two_workers(cluster)
    with shared_workers(params, small_windows):
        job = ray.get_runtime_context().get_job_id()
        for _ in range(2):
            _, training = evaluate("centroid", small_windows, params=params, progress=False, return_training=True)
            assert ray.get_runtime_context().get_job_id() == job
            assert set(training["node"]) <= {node["NodeID"] for node in ray.nodes()}
    assert not ray.is_initialized()
    with shared_workers(Params(), small_windows):
        assert not ray.is_initialized()


LISTENERS = """
import json, os, urllib.request
import psutil, xarray
from wesadlib.evaluation.workers import shared_workers
from wesadlib.params import Params

os.environ["RAY_AUTH_MODE"] = "disabled"
with shared_workers(Params(workers=1), xarray.Dataset()):
    import ray
    ray.get(ray.remote(lambda: 0).remote())
    found = [
        (connection.laddr.ip, connection.laddr.port)
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    answers = []
    for address, port in found:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/api/job_agent/jobs/", b'{"entrypoint": "true"}')
        try:
            answers.append(urllib.request.urlopen(request, timeout=5).status)
        except Exception as error:
            answers.append(getattr(error, "code", None))
print(json.dumps([found, answers]))
"""


def test_workers_on_this_machine_listen_on_loopback_and_answer_nobody_without_a_token():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-c", LISTENERS], capture_output=True, text=True, env=environment, check=True
    )
    listeners, answers = json.loads(done.stdout.splitlines()[-1])
    assert listeners
    addresses = [ip_address(address) for address, _ in listeners]
    assert [a for a in addresses if not (getattr(a, "ipv4_mapped", None) or a).is_loopback] == []
    assert 401 in answers and 200 not in answers
