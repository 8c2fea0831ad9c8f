"""What leaving people out costs, one after the other and on Ray workers: ``python benchmarks/loso.py [PARAMS]``."""

import argparse
import json
import threading
import time
from pathlib import Path

import pandas as pd
import psutil
from rich.console import Console
from rich.table import Table

from wesadlib.artefacts import project_root, write_json
from wesadlib.data import open_cohort
from wesadlib.evaluation import evaluate, score
from wesadlib.features import extract_features
from wesadlib.params import read_params
from wesadlib.quality import assess_quality
from wesadlib.signals import make_windows


class PeakMemory(threading.Thread):
    """Largest sum, over this process and all that it started, of memory of their own, and what they share once."""

    def __init__(self):
        super().__init__(daemon=True)
        self.mib, self.done = 0.0, threading.Event()

    def run(self):
        """Watch until told that it is done."""
        while not self.done.wait(0.25):
            own, shared = 0, 0
            for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
                try:
                    memory = process.memory_info()
                except psutil.Error:
                    continue
                own, shared = own + memory.rss - memory.shared, max(shared, memory.shared)
            self.mib = max(self.mib, (own + shared) / 2**20)


def measure(model, windows, params, workers):
    memory, began = PeakMemory(), time.perf_counter()
    memory.start()
    params = params.model_copy(update={"workers": workers})
    predictions, training = evaluate(
        model, windows, seeds=params.seeds, params=params, progress=False, return_training=True
    )
    seconds = time.perf_counter() - began
    memory.done.set()
    row = {
        "model": model,
        "workers": workers,
        "folds": len(training),
        "seconds": seconds,
        "seconds a fold": training["seconds"].mean(),
        "peak MiB": memory.mib,
        "accuracy": score(predictions)["accuracy"].item(),
    }
    return row, predictions


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("params", nargs="?", default="params/smoke.yaml", help="profile (default: %(default)s)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="0: in this process")
    parser.add_argument("--json", type=Path, help="write the measurements here as well")
    arguments = parser.parse_args()
    params = read_params(project_root() / arguments.params)
    windows = make_windows(
        open_cohort(params),
        device=params.device,
        rate_hz=params.rate_hz,
        window_s=params.window_s,
        hop_s=params.hop_s,
        min_purity=params.min_purity,
    )
    windows = extract_features(assess_quality(windows, params))

    table = Table("model", "workers", "folds", "seconds", "seconds a fold", "peak MiB", "accuracy", title=params.run)
    rows = []
    for model in params.models:
        first = None
        for workers in arguments.workers:
            row, predictions = measure(model, windows, params, workers)
            first = predictions if first is None else first
            pd.testing.assert_frame_equal(first, predictions)
            rows.append(row)
            table.add_row(*(f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()))
    console = Console()
    console.print(table)
    console.print("The predictions are the same whatever the number of workers.")
    if arguments.json:
        write_json(arguments.json, json.loads(pd.DataFrame(rows).to_json(orient="records")))


if __name__ == "__main__":
    main()
