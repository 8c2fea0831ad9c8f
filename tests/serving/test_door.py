"""What stands in Serve's own proxy, before apps that stand for what Serve does there."""

import pytest
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.testclient import TestClient

from wesadlib.serving.process import middlewares


async def silent(scope, receive, send):
    """As Serve's proxy is where a replica died under a request."""


def client_of(app):
    (door,) = middlewares()
    return TestClient(door.cls(app), raise_server_exceptions=False)


@pytest.mark.parametrize("app", [silent, *(PlainTextResponse("not found", status) for status in (404, 500, 503))])
def test_a_proxy_without_its_app_asks_to_come_again(app):
    response = client_of(app).post("/predict", content=b"{}")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == 503


def test_what_the_app_says_passes_and_serves_own_paths_and_header_do_not():
    async def echo(scope, receive, send):
        names = [name.decode() for name, _ in scope["headers"]]
        await JSONResponse({"path": scope["path"], "headers": names}, 404)(scope, receive, send)

    client = client_of(echo)
    response = client.get("/model", headers={"x-request-timeout-seconds": "0.001", "x-mine": "1"})
    assert (response.status_code, response.json()["path"]) == (404, "/model")
    assert {"x-request-timeout-seconds", "x-mine"} & {*response.json()["headers"]} == {"x-mine"}
    # As the metrics are.
    assert client_of(PlainTextResponse("counts")).get("/metrics").text == "counts"
    assert [client.get(f"/-/{name}").json()["detail"] for name in ("routes", "healthz")] == ["Not Found"] * 2
