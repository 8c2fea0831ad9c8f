"""The plain app that the server is measured against: ``python benchmarks/plain_fastapi.py BUNDLE --port 8001``.

What a model is commonly put behind: FastAPI and uvicorn in one process, a window as a JSON list of channels at the
model's own rate, checked number by number, and one eager forward pass of the network a request. No harmonising, no
quality, no features. `/predict/binary` takes MessagePack instead, the body that the server takes. It ends when standard
input does, which the kernel closes even where the starter is killed.
"""

import argparse
import os
import signal
import sys
import threading

import msgpack
import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request
from pydantic import BaseModel

from wesadlib import models
from wesadlib.bundle import read_config


class Body(BaseModel):
    """One window, ``(channel, time)``."""

    signal: list[list[float]]


def make_app(folder: str) -> FastAPI:
    states = read_config(folder)["states"]
    model = models.load(f"{folder}/model")
    network = model.network_.eval()
    app = FastAPI()

    def answer(signal: torch.Tensor) -> dict:
        with torch.no_grad():
            logits = network(signal[None], signal.new_empty(1, 0))
        probabilities = torch.softmax(logits, dim=1)[0].tolist()
        return {"state": states[int(np.argmax(probabilities))], "probabilities": probabilities}

    @app.get("/health")
    def health() -> dict:
        return {"status": "ok"}

    @app.post("/predict")
    def predict(body: Body) -> dict:
        return answer(torch.tensor(body.signal))

    @app.post("/predict/binary")
    async def predict_binary(request: Request) -> dict:
        channels = msgpack.unpackb(await request.body())["channels"]
        rows = [np.frombuffer(channels[name]["samples"], channels[name]["dtype"]) for name in model.channels_]
        return answer(torch.from_numpy(np.stack(rows).astype(np.float32)))

    return app


def end_with_input() -> None:
    def watch() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle")
    parser.add_argument("--port", type=int, default=8001)
    arguments = parser.parse_args()
    end_with_input()
    uvicorn.run(make_app(arguments.bundle), host="127.0.0.1", port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
