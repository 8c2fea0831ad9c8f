"""The app as a Ray Serve deployment: what ``import_path`` of ``params/serve.yaml`` names.

Nothing here imports what computes until a replica does, so that the process that only starts Serve stays small.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from wesadlib.serving.configuration import APPLICATION, DEPLOYMENT, Configuration
from wesadlib.serving.old_settings import Arguments, Live, UserConfig, make_settings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from ray import serve

    from wesadlib.bundle import Bundle
    from wesadlib.serving.old_settings import Settings
    from wesadlib.serving.store import AsyncStore

#: A bundle with which a replica did not come up so often never lets one come up.
_MOST_STARTS = 3
_logger = logging.getLogger(__name__)


class Server:
    """What a replica holds: a service over a loaded bundle, and the app over that.

    Parameters
    ----------
    arguments : mapping
        As :class:`~wesadlib.serving.old_settings.Arguments` takes them.
    """

    async def __init__(self, arguments: dict[str, Any]):
        from wesadlib.serving.guard import read_token
        from wesadlib.serving.old_metrics import Watch
        from wesadlib.serving.service import Service

        self._arguments = Arguments(**arguments)
        self._token = read_token(self._arguments.token_variable)
        self._asked: tuple[str, str] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._changing: set[asyncio.Task] = set()
        settings = make_settings(self._arguments, Live())
        bundle = await asyncio.to_thread(self._load, self._arguments.bundle)
        self.service = Service(bundle, settings, self._store(settings), Watch())

    def __serve_build_asgi_app__(self) -> "FastAPI":
        """Make the app in the replica, where the bundle is."""
        from wesadlib.serving.app import make_app

        return make_app(self.service, self._token)

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take over what can be changed without a stop.

        Another bundle is loaded beside the one that answers and takes its place when it has answered its own example;
        where it does not load, the old one stays. Requests are held back until this returns, so it does not wait.

        Parameters
        ----------
        user_config : mapping
            As :class:`~wesadlib.serving.old_settings.UserConfig` takes it.
        """
        live = UserConfig(**user_config)
        settings = make_settings(self._arguments, live)
        self.service.store = self._store(settings)
        self.service.apply(settings)
        before, self._asked = self._asked, (live.bundle or self._arguments.bundle, live.version)
        if before is None:
            if live.bundle not in ("", self._arguments.bundle):
                self.service.bundle = await asyncio.to_thread(self._load, live.bundle)
        elif self._asked != before:
            task = asyncio.create_task(self._change(self._asked[0]))
            self._changing.add(task)
            task.add_done_callback(self._changing.discard)

    async def _change(self, folder: str) -> None:
        async with self._one_at_a_time:
            try:
                self.service.bundle = await asyncio.to_thread(self._load, folder)
            except Exception as error:
                _logger.error("the bundle was not changed: %s", type(error).__name__)

    def _load(self, folder: str) -> "Bundle":
        from threadpoolctl import threadpool_limits

        from wesadlib.bundle import load_bundle
        from wesadlib.serving.service import example_window

        bundle = load_bundle(folder)
        # Batches are what is computed at the same time; within one, threads would only wait for each other.
        threadpool_limits(1)
        bundle.classify([example_window(bundle)])
        return bundle

    def _store(self, settings: "Settings") -> "AsyncStore":
        from ray import serve

        from wesadlib.serving.store import ray_store

        return ray_store(settings, namespace=f"wesad-{serve.get_replica_context().app_name}")


def build(args: Arguments) -> "serve.Application":
    """Make the application; Ray Serve's tools call it with ``args`` of the file.

    Parameters
    ----------
    args : Arguments
        The bundle, whose folder must be readable where the replicas run, and what a server is started with.
    """
    return deploy(Configuration(arguments=args))


def deploy(configuration: Configuration) -> "serve.Application":
    """Make the application with the options that a configuration has for its replicas."""
    from ray import serve

    deployment = serve.deployment(serve.ingress()(Server)).options(
        name=DEPLOYMENT, max_constructor_retry_count=_MOST_STARTS, **configuration.replicas.options()
    )
    return deployment.bind(configuration.arguments.model_dump())


__all__ = ["APPLICATION", "Server", "build", "deploy"]
