"""What a server is started with: a file of Ray Serve's own form, of which ``args`` are ours.

Serve's schema checks the file, :class:`Settings` its ``args``; ``params/serve.yaml`` names every setting.
"""

import difflib
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from wesadlib import artefacts
from wesadlib.errors import InputError
from wesadlib.params import read_yaml

#: What Ray imports, and the names that its application and its deployment have.
IMPORT_PATH, APPLICATION, DEPLOYMENT = "wesadlib.serving.deployment:build", "wesad", "Server"
#: Where a checkout keeps the file.
FILE = Path("params", "serve.yaml")
#: What a browser may name as a WebSocket's subprotocol, which is the only place where its scripts can put a token.
_SECRET = re.compile(r"[A-Za-z0-9._~+-]{16,512}")
_Variable = Annotated[str, StringConstraints(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$")]


class Settings(BaseModel):
    """What a server does, and within which bounds: ``params/serve.yaml`` says what each is.

    Beside these, Serve's own options of the deployment hold: how many replicas, how many requests each answers at a
    time (``max_ongoing_requests``) and how many wait for that (``max_queued_requests``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    bundle: str = ""
    threads: int = Field(1, ge=1, le=256)

    token_variable: _Variable = ""
    rest_key_variable: _Variable = ""
    rest_age_h: float = Field(24.0, gt=0, le=24 * 366)
    allowed_hosts: tuple[str, ...] = Field(("127.0.0.1", "localhost", "::1"), strict=False)
    allowed_origins: tuple[str, ...] = Field((), strict=False)

    max_body_mb: float = Field(16.0, gt=0, le=1024)
    max_batch_body_mb: float = Field(96.0, gt=0, le=4096)
    max_bodies_mb: float = Field(512.0, gt=0)
    request_time_s: float = Field(50.0, gt=0, le=3600)

    batch_size: int = Field(64, ge=1, le=4096)
    queue_length: int = Field(512, ge=1, le=10**6)

    max_streams: int = Field(256, ge=1, le=10**5)
    stream_samples_per_s: int = Field(500_000, ge=100, le=10**8)
    drift_windows: int = Field(10_000, ge=10, le=10**6)

    @property
    def folder(self) -> Path:
        """Where the bundle is: the package's own where none is named."""
        from wesadlib.bundle import default_bundle

        return Path(self.bundle).resolve() if self.bundle else default_bundle()


class Configuration(BaseModel):
    """What a server is started with: our settings, Serve's ``http_options``, and its options of the deployment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: Settings
    http: dict[str, Any]
    deployment: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Where it answers, for who asks on this machine."""
        # A server that listens on every address is asked at this machine's own.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.http["host"], self.http["host"])
        return f"http://{f'[{host}]' if ':' in host else host}:{self.http['port']}"


def make_configuration(settings: Mapping[str, Any], origin: str = "settings", **http: Any) -> Configuration:
    """Make a configuration without a file; `origin` is where an error says that the settings are from."""
    http = {"host": "127.0.0.1", "port": 8000} | _given(http)
    return Configuration(settings=_check(Settings, settings, origin), http=http)


def read_configuration(
    path: str | Path | None, host: str | None = None, port: int | None = None, **named: Any
) -> Configuration:
    """Read a file that Ray Serve's own tools take as well; host, port and settings that are named here win over its."""
    named = _given(named)
    if path is None:
        return make_configuration(named, "the command line", host=host, port=port)
    file = _read_file(path)
    application = file["applications"][0]
    settings = _check(Settings, application.get("args") or {}, str(path), "applications.0.args.").model_dump()
    http = file.get("http_options", {}) | _given({"host": host, "port": port})
    given = make_configuration(settings | named, "the command line", **http)
    (options,) = application.get("deployments") or [{}]
    return given.model_copy(update={"deployment": {name: options[name] for name in options if name != "name"}})


def find_file() -> Path | None:
    """The checkout's own file, where the working directory is in a checkout that has it."""
    try:
        path = artefacts.project_root() / FILE
    except InputError:
        return None
    return path if path.is_file() else None


def read_secret(variable: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """The secret in an environment variable; None where no variable is named."""
    if not variable:
        return None
    if _SECRET.fullmatch(secret := environment.get(variable, "")):
        return secret
    state = "holds nothing that can be sent" if secret else "is empty or not set"
    raise InputError(
        f"{variable} is named as an environment variable with a secret, and {state}: give it 16 to 512 letters, digits "
        f"or `. _ ~ + -`, such as {variable}=$(openssl rand -hex 32)."
    )


def is_loopback(host: str) -> bool:
    """Whether what listens at `host` is reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_safe(host: str, settings: Settings) -> None:
    """Refuse to listen beyond this machine without a token, and variables that are named and hold no secret."""
    read_secret(settings.rest_key_variable)
    if read_secret(settings.token_variable) is None and not is_loopback(host):
        raise InputError(
            f"host {host}: without a token the server listens on loopback (127.0.0.1) only; put one into an "
            "environment variable and name that with --token-variable, or as `token_variable` in the file."
        )


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _read_file(path: str | Path) -> dict[str, Any]:
    from ray.serve.schema import DeploymentSchema, HTTPOptionsSchema, ServeApplicationSchema, ServeDeploySchema

    values = read_yaml(path, "name one with --config")
    parts = ServeDeploySchema, HTTPOptionsSchema, ServeApplicationSchema, DeploymentSchema
    # Serve itself lets names pass that it does not know.
    _check(ServeDeploySchema, values, str(path), names={name for part in parts for name in part.model_fields})
    applications, http = values["applications"], values.get("http_options", {})
    deployments = [options for application in applications for options in application.get("deployments", [])]
    # It takes more of each than are ours, and values that are not.
    if [application["import_path"] for application in applications] != [IMPORT_PATH] or (
        [options.get("name") for options in deployments] not in ([], [DEPLOYMENT])
    ):
        raise InputError(f"{path}: it takes one application, `{IMPORT_PATH}`, with one deployment, `{DEPLOYMENT}`.")
    if applications[0].get("route_prefix", "/") != "/":
        raise InputError(f"{path}: `applications.0.route_prefix`: the app answers at `/` alone.")
    if not 1 <= http.get("port", 8000) <= 65535:
        raise InputError(f"{path}: `http_options.port`: a port is 1 to 65535.")
    if "request_timeout_s" in http:
        raise InputError(f"{path}: `http_options.request_timeout_s` would end streams as well; use `request_time_s`.")
    if any("user_config" in options for options in deployments):
        raise InputError(f"{path}: `applications.0.deployments.0.user_config`: settings are in `applications.0.args`.")
    return values


def _check(
    model: type[BaseModel], values: Any, origin: str, place: str = "", names: Iterable[str] = Settings.model_fields
) -> Any:
    try:
        return model.model_validate(values, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
    name = place + ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name.rpartition(".")[2], names, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "the settings are listed in params/serve.yaml."
        raise InputError(f"{origin}: `{name}` is unknown here; {hint}")
    message = first["msg"][0].lower() + first["msg"][1:]
    raise InputError(f"{origin}: `{name or 'the file'}`: {message}, not {str(first['input'])[:100]!r}.")
