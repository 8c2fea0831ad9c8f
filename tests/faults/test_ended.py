"""A server is ended under load, or its starter killed: whoever has asked is answered, and nothing is left of it."""

import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import people
import psutil
import pytest
from asking import BROKEN, asking
from command import serving

from wesadlib.serving import Client
from wesadlib.serving.server import require_free_port


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_an_end_answers_what_was_asked_and_leaves_nothing(tmp_path, old_bundle, number):
    with serving(tmp_path, old_bundle.folder, queue_length=10**6) as command:
        started, files = command.processes(), command.files()
        open_to_others = [str(path) for path in files if path.stat().st_mode & 0o077]
        begun = time.monotonic()
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: command.client.predict_batch(people.WINDOWS * 4, form="binary"), range(24)))
        per_s = 24 / (time.monotonic() - begun)
        # Faster than they are answered, so that some wait, on a machine of any speed for a second or two.
        with asking(command.client.url, people.BATCHES, 2 * per_s, "/predict/batch") as asked:
            time.sleep(1.5)
            ended_s = time.monotonic()
            status, printed = command.end(number)
            left = command.processes()
        assert (status, printed) == (0, "Ended.\n")
    assert len(started) > 5 and left == []
    assert open_to_others == []
    assert files and [str(path) for path in files if path.exists()] == []
    require_free_port("127.0.0.1", command.port)
    # A moment, for those that are on their way.
    before = [one for one in asked if one.sent_s < ended_s - 0.1]
    assert sum(one.ended_s > ended_s for one in before) >= 3
    assert {one.status for one in before} == {200}, Counter(
        (round(one.sent_s - ended_s, 1), one.status) for one in asked
    )
    assert all(len(one.answer["results"]) == 16 for one in asked if one.status == 200)
    # Who came later was told so, or met nobody.
    assert {one.status for one in asked} <= {200, 503, BROKEN}
    refused = [one for one in asked if one.status == 503]
    assert all((one.answer["status"], one.headers["retry-after"]) == (503, "1") for one in refused)


def test_a_server_ends_when_its_starter_is_killed(old_bundle):
    code = (
        "import sys, time; from wesadlib.serving import running_server\n"
        "with running_server(sys.argv[1]) as client: print(client.url, flush=True); time.sleep(600)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code, old_bundle.folder], stdout=subprocess.PIPE, text=True)
    url = starter.stdout.readline().strip()
    started = psutil.Process(starter.pid).children(recursive=True)
    with Client(url) as client:
        assert client.health().status == "ok"
    starter.kill()
    starter.communicate()
    assert len(started) > 5
    assert psutil.wait_procs(started, timeout=600)[1] == []
