"""Good, bad, cut, slow and vanishing clients by the thousand, and those who never read: memory stays."""

import json
import random
import select
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import by_hand
import minutes
import numpy as np
import people
import psutil
import websockets.sync.client
from command import START_S, serving, until
from websockets.exceptions import WebSocketException

BODY, BATCH = people.BODIES[0], people.BATCHES[0]
START = json.dumps({"type": "start", "channels": {name: {"rate_hz": rate} for name, rate in minutes.RATES_HZ.items()}})


def good(port):
    assert by_hand.exchange(port, by_hand.request(body=BODY)).status == 200


def good_batch(port):
    assert by_hand.exchange(port, by_hand.request(path="/predict/batch", body=BATCH)).status == 200


def garbled(port):
    body = bytearray(BODY)
    for _ in range(8):
        body[random.randrange(200)] = random.randrange(256)
    assert by_hand.exchange(port, by_hand.request(body=bytes(body))).status in (200, 413, 422)


def cut(port):
    by_hand.exchange(port, by_hand.request(body=BODY)[: random.randrange(1, len(BODY))], finished=True)


def too_large(port):
    assert by_hand.exchange(port, by_hand.request(content_length=str(2**40))).status == 413


def vanishing(port):
    whole = by_hand.request(body=BODY)
    by_hand.break_off(port, whole[: random.randrange(1, len(whole))])


def unanswered(port):
    by_hand.break_off(port, by_hand.request(path="/predict/batch", body=BATCH), after_s=random.uniform(0, 0.02))


def slow(port):
    # Broken off by the client, which the server waits for meanwhile.
    by_hand.break_off(port, by_hand.request(body=BODY)[: len(BODY) // 2], after_s=0.05)


def elsewhere(port):
    path = f"/{random.randrange(10**9)}"
    assert by_hand.exchange(port, by_hand.request("GET", path)).status == 404


def dropped_stream(port):
    """A stream of more than a minute, left without a word."""
    from wesadlib.serving.wire import Chunk, write_samples

    signals = {name: Chunk(0, values.astype(np.float32)) for name, values in people.WINDOWS[0][0].items()}
    with suppress(WebSocketException):
        stream = websockets.sync.client.connect(
            f"ws://127.0.0.1:{port}/stream", proxy=None, compression=None, legacy=True
        )
        try:
            stream.send(START)
            stream.recv(timeout=by_hand.PATIENCE_S)
            stream.send(write_samples(signals, "binary"))
            stream.recv(timeout=by_hand.PATIENCE_S)
        finally:
            stream.socket.close()


def refused_stream(port):
    with (
        suppress(WebSocketException),
        websockets.sync.client.connect(f"ws://127.0.0.1:{port}/stream", proxy=None) as it,
    ):
        it.send(random.choice(["{}", "[", START + "}", b"\xc1"]))
        it.recv(timeout=by_hand.PATIENCE_S)


#: What comes, and how often.
MIX = {good: 6, good_batch: 1, garbled: 3, cut: 2, too_large: 1, vanishing: 2, unanswered: 1, slow: 1, elsewhere: 2}
STREAMS = {dropped_stream: 1, refused_stream: 1}


def test_memory_stays_whoever_comes(tmp_path, old_bundle, short):
    """In the short form what the first half did not yet bring to its place may be a part of the growth: 10 %."""
    rounds, each, most = (8, 250, 0.10) if short else (20, 2000, 0.05)
    kinds, weights = zip(*(MIX | STREAMS).items(), strict=True)
    resident = []
    with (
        serving(tmp_path, old_bundle.folder, request_time_s=20.0) as command,
        ThreadPoolExecutor(8) as threads,
    ):
        (replica,) = command.replicas()
        for _ in range(rounds):
            chosen = random.Random(len(resident)).choices(kinds, weights, k=each)
            list(threads.map(lambda kind: kind(command.port), chosen))
            resident.append(replica.memory_info().rss)
        assert replica.is_running() and replica.status() != psutil.STATUS_ZOMBIE
        answer = command.client.predict(*people.WINDOWS[0])
        assert command.client.metrics()
    assert answer.status == "ok"
    # Medians of quarters: the allocator takes and gives in steps.
    quarter = rounds // 4
    middle, last = np.median(resident[2 * quarter : 3 * quarter]), np.median(resident[3 * quarter :])
    assert last < (1 + most) * middle, [round(value / 2**20) for value in resident]


def test_readers_who_never_read_hold_little_and_not_for_good(tmp_path, old_bundle, short):
    readers = 200 if short else 1400
    question = by_hand.request("GET", "/example", accept="application/json", content_type=None, content_length=None)

    def resident():
        return sum(process.memory_info().rss for process in command.processes())

    with serving(tmp_path, old_bundle.folder) as command, ExitStack() as stack:
        assert len(by_hand.exchange(command.port, question).body) > 2**18
        before, waiting, peak = resident(), select.poll(), 0
        for _ in range(readers):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", command.port))
            connection.sendall(question)
            waiting.register(connection, select.POLLIN)
        for k in range(readers):
            # Whoever has something to read, and leaves it there, or was closed on.
            number, _ = waiting.poll(1e3 * by_hand.PATIENCE_S)[0]
            waiting.unregister(number)
            if k % 100 == 99:
                peak = max(peak, resident())
        assert peak - before < 300 * 2**20
        stack.close()
        until(lambda: resident() - before < 100 * 2**20, START_S)
        assert command.answers()
