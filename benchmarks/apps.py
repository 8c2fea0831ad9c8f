"""The apps beside which the server is measured, each a process of its own, and what all of them take of memory."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from wesadlib.serving.process import free_port


@contextmanager
def running(script: str, *arguments: str) -> Iterator[int]:
    """Run a server of this folder while the block runs, and give its port; it ends with standard input."""
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments, "--port", str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            with suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success:
                    break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"{script} ended with status {process.returncode}")
        yield port
    finally:
        process.stdin.close()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def resident_mb(others: set[int], kind: str = "rss") -> float:
    """Resident memory of all processes that this one started but `others`.

    In "rss" a page that several share counts in each; "pss" counts it once, and takes longer to find out.
    """
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.pid not in others:
                memory = process.memory_info() if kind == "rss" else process.memory_full_info()
                total += getattr(memory, kind)
    return total / 1e6
