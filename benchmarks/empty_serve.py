"""What Ray Serve costs before anything is computed: an app that reads a body and answers nothing."""

import argparse
import tempfile

from fastapi import FastAPI, Request

from wesadlib.serving.process import serve_until_input_ends


def build():
    from ray import serve

    app = FastAPI()

    @app.get("/health")
    async def health() -> dict:
        return {"status": "ok"}

    @app.post("/predict")
    async def predict(request: Request) -> dict:
        await request.body()
        return {}

    class Empty:
        pass

    return serve.deployment(serve.ingress(app)(Empty)).bind()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    folder = tempfile.mkdtemp(prefix="wesad-", dir="/tmp")
    serve_until_input_ends(folder, build, host="127.0.0.1", port=parser.parse_args().port)


if __name__ == "__main__":
    main()
