"""``params/serve.yaml``: a file of Ray Serve's own form, checked so strictly that a slip in it is one sentence."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wesadlib import artefacts
from wesadlib.errors import InputError
from wesadlib.serving.old_settings import Arguments, Live, Settings, Start, UserConfig, make_settings

#: What Ray imports, and the names that its application and its deployment have.
IMPORT_PATH, APPLICATION, DEPLOYMENT = "wesadlib.serving.deployment:build", "wesad", "Server"
#: Where a checkout keeps the file.
FILE = Path("params", "serve.yaml")


_Model = TypeVar("_Model", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class HttpOptions(_Part):
    """Where the server listens."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    request_timeout_s: float | None = Field(None, gt=0)
    keep_alive_timeout_s: int = Field(90, ge=1)


class Replicas(_Part):
    """How Ray runs the replicas; what is not named here is Ray's own default."""

    name: Literal["Server"] = "Server"
    num_replicas: int = Field(1, ge=1, le=1000)
    max_ongoing_requests: int | None = Field(None, ge=1)
    max_queued_requests: int = Field(100, ge=-1)
    graceful_shutdown_timeout_s: float = Field(10.0, ge=0)
    graceful_shutdown_wait_loop_s: float = Field(0.1, gt=0)
    health_check_period_s: float = Field(2.0, gt=0)
    health_check_timeout_s: float = Field(10.0, gt=0)
    # A change of the bundle: replicas that answer stay until others have come up, or for good where these do not.
    max_surge_percent: int = Field(25, ge=0, le=100)
    # Beside one replica a core there has to be room for the one that takes the place of another.
    ray_actor_options: dict[str, Any] = {"num_cpus": 0.5}
    autoscaling_config: dict[str, Any] | None = None
    user_config: UserConfig = UserConfig()

    def options(self) -> dict[str, Any]:
        """What Ray's ``Deployment.options`` takes."""
        found = self.model_dump(exclude={"name", "user_config"}, exclude_none=True)
        # Past its own limits the app answers in a sentence; Ray's have to lie above them, and streams count there too.
        found.setdefault("max_ongoing_requests", self.user_config.max_connections + self.user_config.max_streams + 100)
        if "autoscaling_config" in found:
            del found["num_replicas"]
        return found | {"user_config": self.user_config.model_dump()}


class _Application(_Part):
    name: str = APPLICATION
    route_prefix: Literal["/"] = "/"
    import_path: Literal["wesadlib.serving.deployment:build"] = IMPORT_PATH
    runtime_env: dict[str, Any] = {}
    args: Arguments
    deployments: list[Replicas] = Field([Replicas()], min_length=1, max_length=1)


class _File(_Part):
    proxy_location: Literal["EveryNode", "HeadOnly"] = "EveryNode"
    http_options: HttpOptions = HttpOptions()
    logging_config: dict[str, Any] = {}
    applications: list[_Application] = Field(min_length=1, max_length=1)


class Configuration(_Part):
    """What a server is started with.

    Attributes
    ----------
    http : HttpOptions
        Where it listens.
    arguments : Arguments
        The bundle, and what cannot be changed while it runs.
    replicas : Replicas
        How Ray runs the replicas, and what they take over while they run.
    """

    http: HttpOptions = HttpOptions()
    arguments: Arguments
    replicas: Replicas = Replicas()

    @property
    def settings(self) -> Settings:
        """Every setting."""
        return make_settings(self.arguments, self.replicas.user_config)

    @property
    def bundle(self) -> str:
        """Folder of the bundle that is to be served."""
        return self.replicas.user_config.bundle or self.arguments.bundle


def make_configuration(
    bundle: str | Path,
    settings: Mapping[str, Any] | None = None,
    host: str | None = None,
    port: int | None = None,
    origin: str = "settings",
    replicas: int = 1,
) -> Configuration:
    """Make a configuration without a file.

    Parameters
    ----------
    bundle : path
        Folder of the bundle.
    settings : mapping, optional
        Settings that differ from their defaults.
    host, port : optional
        Where to listen.
    origin : str
        Where an error says that it is.
    replicas : int
        How many answer side by side.

    Raises
    ------
    InputError
        When a setting is unknown, of the wrong type or out of bounds.
    """
    values = dict(settings or {})
    start = {name: values.pop(name) for name in Start.model_fields if name in values}
    http = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
    try:
        Settings(**start, **values)
        return Configuration(
            http=HttpOptions(**http),
            arguments=Arguments(bundle=str(bundle), **start),
            replicas=Replicas(num_replicas=replicas, user_config=UserConfig(**values)),
        )
    except ValidationError as error:
        raise InputError(f"{origin}: {_sentence(error)}") from None


def read_configuration(
    path: str | Path | None,
    bundle: str | Path | None = None,
    host: str | None = None,
    port: int | None = None,
    token_variable: str | None = None,
) -> Configuration:
    """Read a file that Ray Serve's own tools take as well.

    Parameters
    ----------
    path : path, optional
        Such as ``params/serve.yaml``; None: no file, all has its default.
    bundle, host, port, token_variable : optional
        Win over the file's.

    Raises
    ------
    InputError
        When the file is missing, is no YAML, or holds an unknown name, a wrong type or a value out of bounds; when
        there is neither a file nor a bundle.
    """
    if path is None:
        if bundle is None:
            raise InputError("which bundle to serve is not said: name its folder, or a file that does with --config.")
        settings = {} if token_variable is None else {"token_variable": token_variable}
        return make_configuration(bundle, settings, host, port, origin="the command line")
    file = _read_file(path)
    application = file.applications[0]
    arguments, replicas = application.args, application.deployments[0]
    if bundle is not None:
        replicas = replicas.model_copy(update={"user_config": replicas.user_config.model_copy(update={"bundle": ""})})
    named = {"bundle": None if bundle is None else str(bundle), "token_variable": token_variable}
    try:
        return Configuration(
            http=_with(file.http_options, host=host, port=port), arguments=_with(arguments, **named), replicas=replicas
        )
    except ValidationError as error:
        raise InputError(f"the command line: {_sentence(error)}") from None


def _with(part: _Model, **named: Any) -> _Model:
    return type(part)(**part.model_dump() | {name: value for name, value in named.items() if value is not None})


def _read_file(path: str | Path) -> _File:
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: not a readable file ({error.strerror.lower()}); name one with --config.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML ({' '.join(str(error).split())}).") from None
    try:
        return _File.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{path}: {_sentence(error)}") from None


def find_file() -> Path | None:
    """The checkout's own file, where the working directory is in a checkout that has it."""
    try:
        path = artefacts.project_root() / FILE
    except InputError:
        return None
    return path if path.is_file() else None


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] == "extra_forbidden":
        name = str(first["loc"][-1])
        near = difflib.get_close_matches(
            name, [*Settings.model_fields, *Replicas.model_fields, *_File.model_fields], n=1
        )
        hint = f"did you mean `{near[0]}`?" if near else "the settings are listed in params/serve.yaml."
        if name in Settings.model_fields:
            hint = f"it belongs under `{'args' if name in Start.model_fields else 'user_config'}`."
        return f"`{place}` is unknown here; {hint}"
    if first["type"] == "missing":
        return f"`{place}` is missing."
    return f"`{place}`: {first['msg'][0].lower()}{first['msg'][1:]}, not {str(first['input'])[:100]!r}."


__all__ = ["Configuration", "HttpOptions", "Live", "Replicas", "find_file", "make_configuration", "read_configuration"]
