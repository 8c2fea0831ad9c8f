"""An hour of everything: ``make soak``. Right and wrong callers at once, replicas killed, the bundle changed twice.

What is asked goes through Serve's own tools (`ray start`, `serve deploy`), since they change a server that runs. Every
ten seconds memory, open files and threads of all that was started are written down beside the counts of answers.
"""

import argparse
import asyncio
import math
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pprint import pprint
from typing import Any

import httpx
import pandas as pd
import psutil
import yaml
from cluster import cluster
from workload import PARAMS, Bodies, choose_windows, make_bundle

from wesadlib import artefacts
from wesadlib.bundle import load_bundle
from wesadlib.data import open_cohort
from wesadlib.report.summary import describe_machine, read_commit
from wesadlib.serving import AsyncClient, RequestRefused, StreamLost
from wesadlib.serving.process import free_port
from wesadlib.serving.settings import DEPLOYMENT, IMPORT_PATH
from wesadlib.serving.wire import CONTENT_TYPES

REPLICAS, SAMPLE_S = 2, 10.0
#: Rows that are kept for the figure.
MOST_ROWS = 60
#: After a kill or a change, s: answers of 503 are counted apart, as the replica comes back meanwhile.
AFTERMATH_S = 60.0
HOSTILE = (b"{", b"\xc1" * 100, b"[" * 10_000, b'{"channels": {' + b'"a":0,' * 200_000, b"\xdf\xff\xff\xff\xff", b"")


def wait(holds: Callable[[], bool]) -> None:
    for _ in range(600):
        with suppress(httpx.HTTPError):
            if holds():
                return
        time.sleep(1)
    raise TimeoutError("the server did not come up")


class Soak:
    """Callers of all kinds, what became of them, and what the server takes meanwhile."""

    def __init__(self, url: str, bodies: Bodies, head: psutil.Process):
        self.url, self.bodies, self.head = url, bodies, head
        self.counts: Counter[str] = Counter()
        self.rows: list[dict[str, float]] = []
        self.begun, self.disturbed = time.monotonic(), -math.inf

    def note(self, kind: str, outcome: Any) -> None:
        """Count what came of a call, and apart where a replica was away."""
        away = time.monotonic() - self.disturbed < AFTERMATH_S
        self.counts[f"{kind} {outcome}{' while a replica was away' if away else ''}"] += 1

    async def _call(
        self, client: httpx.AsyncClient, kind: str, path: str, body: bytes, form: str, **options: Any
    ) -> None:
        try:
            response = await client.post(path, content=body, headers={"content-type": CONTENT_TYPES[form]}, **options)
            # What ought never to come says what it is.
            words = f" {response.text[:120]}" if response.status_code in (500, 502, 504) else ""
            self.note(kind, f"{response.status_code}{words}")
        except httpx.HTTPError as error:
            self.note(kind, type(error).__name__)

    async def _one(self, client: httpx.AsyncClient) -> None:
        kind = random.choices(("json", "binary", "batch", "hostile", "impatient", "gone"), (6, 8, 1, 3, 1, 1))[0]
        if kind in ("json", "binary"):
            bodies = self.bodies.json if kind == "json" else self.bodies.native
            await self._call(client, kind, "/predict", random.choice(bodies), kind)
        elif kind in ("batch", "impatient"):
            patience = {"timeout": 0.05} if kind == "impatient" else {}
            await self._call(client, kind, "/predict/batch", self.bodies.batch[0], "binary", **patience)
        elif kind == "hostile":
            path = random.choice(("/predict", "/predict/batch", "/rest", "/v2/models/resnet/infer"))
            await self._call(client, kind, path, random.choice(HOSTILE), random.choice(("json", "binary")))
        else:
            with suppress(OSError):
                host = httpx.URL(self.url)
                _, writer = await asyncio.open_connection(host.host, host.port)
                body = self.bodies.native[0]
                head = f"POST /predict HTTP/1.1\r\nhost: {host.host}\r\ncontent-length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body[: random.randrange(len(body))])
                await writer.drain()
                writer.transport.abort()
                self.note(kind, "broken off")

    async def callers(self, rate: float) -> None:
        """So many callers a second, whether or not earlier ones are answered."""
        async with (
            httpx.AsyncClient(base_url=self.url, timeout=60, trust_env=False) as client,
            asyncio.TaskGroup() as tasks,
        ):
            while True:
                tasks.create_task(self._one(client))
                await asyncio.sleep(random.expovariate(rate))

    async def streams(self) -> None:
        """Somebody's recording after another, by our own client, which ought to see nothing of what happens."""
        recordings = list(open_cohort(PARAMS))
        async with AsyncClient(self.url, retry_s=600.0) as client:
            while True:
                part = random.choice(recordings).between(60, 360)
                try:
                    self.note("stream", f"of {len(await client.replay(part, speed=20.0))} predictions")
                except (RequestRefused, StreamLost, httpx.HTTPError) as error:
                    self.note("stream", f"{type(error).__name__} {getattr(error, 'status', '')}".strip())

    async def sample(self) -> None:
        """Write down, every ten seconds, what all processes of the server take."""
        while True:
            row = Counter(time_s=round(time.monotonic() - self.begun), replicas=0)
            for process in self.head.children(recursive=True):
                with suppress(psutil.Error):
                    row["replicas"] += process.name().startswith("ray::ServeRepl")
                    row["rss_mb"] += process.memory_info().rss / 2**20
                    row["files"] += process.num_fds()
                    row["threads"] += process.num_threads()
            self.rows.append({name: round(value) for name, value in row.items()})
            await asyncio.sleep(SAMPLE_S)

    async def disturb(self, every_s: float, what: Callable[[], Awaitable[None]]) -> None:
        """Kill or change something again and again."""
        while True:
            await asyncio.sleep(every_s)
            self.disturbed = time.monotonic()
            await what()

    async def kill(self) -> None:
        """Kill a replica."""
        replicas = [child for child in self.head.children(recursive=True) if child.name().startswith("ray::ServeRepl")]
        if replicas:
            random.choice(replicas).send_signal(signal.SIGKILL)
            self.note("replica", "killed")


async def run(soak: Soak, seconds: float, rate: float, change: Callable[[], Awaitable[None]]) -> None:
    killing, changing = soak.disturb(min(600.0, seconds / 4), soak.kill), soak.disturb(seconds / 2.9, change)
    tasks = [
        asyncio.create_task(kind) for kind in (soak.callers(rate), soak.streams(), soak.sample(), killing, changing)
    ]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def growth(rows: pd.DataFrame) -> dict[str, float]:
    """How much each figure grew over the last half, in percent: medians of its quarters."""
    # While one comes or goes there is another number of them.
    rows = rows.loc[rows["replicas"] == REPLICAS, ["rss_mb", "files", "threads"]]
    half, quarter = rows.iloc[len(rows) // 2 :], math.ceil(len(rows) / 4)
    percent = 100 * (half.iloc[quarter:].median() / half.iloc[:quarter].median() - 1)
    # Where it was short, none may be left.
    return {f"{name}_growth_percent": float(value) for name, value in percent.items() if math.isfinite(value)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=20.0, help="callers a second")
    parser.add_argument("--keep", action="store_true", help="keep the figures with the book, whose chapter shows them")
    arguments = parser.parse_args()
    outputs, commit = artefacts.project_root() / "outputs", read_commit(artefacts.project_root())
    folder, port = outputs / "bench", free_port()
    bundle = make_bundle(folder / "bundle")
    bodies = Bodies.of(*choose_windows(bundle))
    file, copies = folder / "soak.yaml", [bundle.folder, folder / "bundle-2"]
    shutil.copytree(*copies, dirs_exist_ok=True)
    config = bundle.config | {"min_confidence": 0.6}
    del config["version"]
    artefacts.write_json(copies[1] / "config.json", config | {"version": artefacts.digest(config)})
    load_bundle(copies[1])

    def deploy_next() -> bool:
        copies.reverse()
        options = {"name": DEPLOYMENT, "num_replicas": REPLICAS}
        application = {"import_path": IMPORT_PATH, "args": {"bundle": str(copies[0])}, "deployments": [options]}
        file.write_text(yaml.safe_dump({"http_options": {"port": port}, "applications": [application]}))
        return deploy(file)

    with cluster() as (head, deploy):
        url = f"http://127.0.0.1:{port}"
        wait(deploy_next)
        wait(lambda: httpx.get(f"{url}/ready", trust_env=False).is_success)
        soak = Soak(url, bodies, head)

        async def change() -> None:
            soak.note("bundle", "changed" if await asyncio.to_thread(deploy_next) else "not changed")

        asyncio.run(run(soak, 60 * arguments.minutes, arguments.rate, change))
    figures = {"commit": commit, **describe_machine(), "minutes": arguments.minutes, "rate": arguments.rate}
    figures |= growth(pd.DataFrame(soak.rows))
    rows = soak.rows[:: math.ceil(len(soak.rows) / MOST_ROWS)]
    figures |= {"counts": dict(sorted(soak.counts.items())), "rows": rows}
    pprint({name: value for name, value in figures.items() if name != "rows"})
    for kept in [folder, outputs / "reference"][: 1 + arguments.keep]:
        print(f"written to {artefacts.write_json(kept / 'soak.json', figures)}")


if __name__ == "__main__":
    main()
