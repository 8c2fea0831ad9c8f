"""The route ``WS /stream``: samples as they come, and a prediction every hop."""

import asyncio

from fastapi import APIRouter
from starlette.websockets import WebSocket

from wesadlib.serving.problems import make_problem
from wesadlib.serving.service import Service
from wesadlib.serving.stream_conversation import Conversation, Outcome
from wesadlib.serving.stream_messages import problem_message

#: What a client may name beside its token, where it can send that as a subprotocol only.
SUBPROTOCOL = "wesad"


class Streams:
    """The streams that a replica holds.

    Parameters
    ----------
    service : Service
        What answers.
    """

    def __init__(self, service: Service):
        self._service = service
        self._open: dict[asyncio.Task, Conversation] = {}

    def __len__(self) -> int:
        return len(self._open)

    async def serve(self, websocket: WebSocket) -> None:
        """Answer one connection until it ends."""
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope.get("subprotocols", ()) else None)
        conversation = Conversation(self._service, websocket)
        if len(self._open) >= self._service.settings.max_streams:
            problem = make_problem(503, "This server has as many streams as it takes; try again later.")
            await conversation.end(Outcome(1013, problem_message(problem)))
            return
        task = asyncio.current_task()
        self._open[task] = conversation
        self._service.watch.streams(1)
        try:
            await conversation.end(await conversation.attend())
        finally:
            del self._open[task]
            self._service.watch.streams(-1)

    async def end(self) -> None:
        """Park every stream and close it with 1012: the server ends, and the stream can be resumed elsewhere."""
        tasks = list(self._open)
        for task in tasks:
            self._open[task].interrupt(task)
        if tasks:
            await asyncio.wait(tasks, timeout=self._service.settings.answer_time_s)


def stream_router(service: Service, streams: Streams | None = None) -> APIRouter:
    """Make the route.

    Parameters
    ----------
    service : Service
        What answers.
    streams : Streams, optional
        Where its streams are held, for whoever ends them when the server does.
    """
    router = APIRouter()
    streams = streams or Streams(service)

    @router.websocket("/stream")
    async def stream(websocket: WebSocket) -> None:
        await streams.serve(websocket)

    return router
