"""A replica without Ray: what it starts with, and what it takes over in place."""

import asyncio
import logging
import shutil

import minutes
import pytest

from wesadlib.bundle import load_bundle
from wesadlib.serving.deployment import Server
from wesadlib.serving.old_settings import UserConfig
from wesadlib.serving.store import LocalStore


@pytest.fixture(autouse=True)
def without_ray(monkeypatch):
    monkeypatch.setattr(Server, "_store", lambda self, settings: LocalStore(settings))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other") / "bundle"
    return load_bundle(minutes.save_small_bundle("logistic", folder, people=5))


async def start(started, **live):
    server = Server.__new__(Server)
    await server.__init__({"bundle": str(started.folder)})
    await take_over(server, **live)
    return server


async def take_over(server, **live):
    await server.reconfigure(UserConfig(**live).model_dump())
    await asyncio.gather(*server._changing)


def test_a_replica_that_starts_anew_answers_by_the_bundle_that_took_the_others_place(bundle, other):
    async def run():
        assert (await start(bundle)).service.bundle.version == bundle.version
        assert (await start(bundle, bundle=str(other.folder))).service.bundle.version == other.version

    asyncio.run(run())


def test_settings_and_bundle_are_taken_over_in_place_and_only_when_they_change(bundle, other):
    async def run():
        server = await start(bundle, queue_length=7)
        first = server.service.bundle
        assert server.service.settings.queue_length == 7
        await take_over(server, queue_length=9)
        assert server.service.settings.queue_length == 9
        assert server.service.bundle is first
        await take_over(server, queue_length=9, version="2")
        assert server.service.bundle is not first and server.service.bundle.version == first.version
        await take_over(server, bundle=str(other.folder))
        assert server.service.bundle.version == other.version

    asyncio.run(run())


def test_a_bundle_that_does_not_load_leaves_the_one_before_and_a_word_in_the_log(bundle, other, tmp_path, caplog):
    folder = shutil.copytree(other.folder, tmp_path / "changed")
    (folder / "MODEL_CARD.md").write_text("another", encoding="utf-8")

    async def run():
        server = await start(bundle)
        await take_over(server, bundle=str(folder))
        assert server.service.bundle.version == bundle.version
        (folder / "MODEL_CARD.md").write_bytes((other.folder / "MODEL_CARD.md").read_bytes())
        await take_over(server, bundle=str(folder), version="mended")
        assert server.service.bundle.version == other.version

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == ["the bundle was not changed: InputError"]
