"""The app as a Ray Serve deployment: what ``import_path`` of ``params/serve.yaml`` names.

Nothing here imports what computes until a replica does, so that the process that only starts Serve stays small.
"""

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException

from wesadlib.serving.settings import DEPLOYMENT, Settings, read_secret

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray import serve

#: Serve's options where a file has no others.
_OPTIONS = {
    # A bundle with which a replica did not come up so often never lets one come up.
    "max_constructor_retry_count": 3,
    "max_queued_requests": 100,
    "graceful_shutdown_timeout_s": 10.0,
    "graceful_shutdown_wait_loop_s": 0.1,
    "health_check_period_s": 2.0,
    # A change of the bundle: replicas that answer stay until others have come up, or for good where these do not.
    "max_surge_percent": 25,
    # Beside one replica a core there has to be room for the one that takes the place of another.
    "ray_actor_options": {"num_cpus": 0.5},
}


class Server:
    """What a replica holds: a service over a loaded bundle, and the app over that.

    All replicas have the same secret with which rest tokens are signed.
    """

    def __init__(self, settings: Mapping[str, Any], rest_key: str):
        if folder := os.environ.get("WESAD_METRICS_FOLDER"):
            os.makedirs(folder, exist_ok=True)
            # Here, and not for all that Ray starts, of which some counts too; read when prometheus_client is imported.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        from threadpoolctl import threadpool_limits

        from wesadlib.bundle import load_bundle
        from wesadlib.serving.drift_store import Drift
        from wesadlib.serving.service import Service

        given = Settings(**settings)
        self._token = read_secret(given.token_variable)
        bundle = load_bundle(given.folder)
        # Batches are what is computed at the same time; within one, threads would only wait for each other.
        threadpool_limits(1)
        drift = Drift(bundle, given.drift_windows, reach_drift_store(given.drift_windows))
        self.service = Service(bundle, given, drift, rest_key)

    def __serve_build_asgi_app__(self) -> "FastAPI":
        """Make the app in the replica, where the bundle is."""
        from wesadlib.serving.app import make_app

        return make_app(self.service, self._token)


def reach_drift_store(windows: int) -> Callable[..., Awaitable[Any]]:
    """The one store of an application: an actor of no replica's, which Ray starts anew, empty, where it fails."""
    import ray
    from ray import serve
    from ray.exceptions import RayActorError

    from wesadlib.serving.drift_store import DriftStore

    options = {"name": "drift", "namespace": serve.get_replica_context().app_name, "get_if_exists": True}
    remote = ray.remote(DriftStore).options(num_cpus=0, lifetime="detached", max_restarts=-1, **options)
    store = remote.remote(windows)

    async def call(name: str, *arguments: Any) -> Any:
        try:
            return await getattr(store, name).remote(*arguments)
        except RayActorError:
            detail = "What is kept to judge drift on cannot be reached at this moment."
            raise HTTPException(503, detail, {"retry-after": "1"}) from None

    return call


def build(args: Settings) -> "serve.Application":
    """Make the application; Ray Serve's tools call it with ``args`` of the file, and need its type to check them."""
    return deploy(args, {})


def deploy(settings: Settings, options: Mapping[str, Any]) -> "serve.Application":
    """Make the application with Serve's options of the deployment that differ from ours."""
    from ray import serve

    rest_key = read_secret(settings.rest_key_variable) or secrets.token_hex(32)
    # Requests that a replica answers at a time, beside its streams.
    most = {"max_ongoing_requests": settings.max_streams + 144}
    server = serve.deployment(serve.ingress()(Server)).options(name=DEPLOYMENT, **_OPTIONS | most | dict(options))
    return server.bind(settings.model_dump(), rest_key)
