"""The node's configuration: one frozen typed value from defaults < TOML file < environment < flags."""

from __future__ import annotations

import ipaddress
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from maskbus_wire.limits import DEFAULT_LIMITS
from maskbus_wire.requests import PostProcessing

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENVIRONMENT_PREFIX = "MASKBUS_"
CLIENT_VARIABLES = frozenset({"MASKBUS_ENDPOINT", "MASKBUS_CONFIG", "MASKBUS_SERVER_KEY", "MASKBUS_CLIENT_KEY"})
"""Variables of the same prefix that are not fields of the configuration."""
_SHORT_VARIABLES = {"MASKBUS_WEIGHTS": "weights_dir"}
"""Variables that say the same as the one named after the field, which wins if both are set."""

MIB = 1024 * 1024


class ConfigError(Exception):
    """Say which setting is wrong, where it came from, and why."""


class ModelConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One model's own table, `[model.NAME]`."""

    handler: str = ""
    """Entry point, or "package.module:Class", that serves it; empty: the entry point of the model's own name."""
    devices: list[str] = msgspec.field(default_factory=lambda: ["cpu"])
    """Where it runs; one worker process a device."""
    threads: int | None = None
    """CPU threads of each of its workers; left out: the node's `threads`."""
    options: dict[str, Any] = {}
    """Handed to the handler as it is."""
    post: PostProcessing | None = None
    """What is done to its masks where a request says nothing of it."""


class RouteConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Models that are tried one after the other until one answers well enough, `[route.NAME]`."""

    models: list[str] = []
    """Their names, in the order in which they are tried. Those that are not there, or not ready, are passed over."""
    min_predicted_iou: float = 0.0
    """An answer is good enough if it has a mask of at least this predicted_iou."""
    share: float | None = None
    """What part of the time that is left a model may take; left out: what is left is shared out evenly."""


DEFAULT_MODEL = "nano"
"""What answers where nothing is configured: it needs no download."""

AUTO = RouteConfig(models=["fastsam", "sam2.1-hiera-base-plus", "mobile-sam", "nano", "grabcut", "text"])
"""The route `auto`, where the configuration has none of that name."""


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Everything a node can be told."""

    bind: list[str] = msgspec.field(default_factory=lambda: ["tcp://127.0.0.1:7710"])
    """Endpoints for requests."""
    publish: list[str] = msgspec.field(default_factory=lambda: ["tcp://127.0.0.1:7711"])
    """Endpoints for topics."""
    ipc: bool = True
    """Whether to listen on ipc sockets in the runtime directory as well, where the system has them."""
    runtime_dir: str = ""
    """Directory of the ipc sockets; empty: maskbus in the user's own runtime directory."""
    secret_key_file: str = ""
    """File with the node's CURVE secret key, as `maskbus keys` writes it. All connections are encrypted then."""
    client_keys_dir: str = ""
    """Directory with the public keys of the clients that may connect; empty: whoever knows the node's public key."""
    allow_remote: bool = False
    """Whether endpoints that other machines can reach may be bound without CURVE. Nobody is authenticated there."""
    models: list[str] = []
    """Models to offer; empty: every one that is installed and offered by default."""
    default_model: str = DEFAULT_MODEL
    """Model, or route, for requests that name none; left out where others are offered: the first of `models`."""
    text_model: str = "text"
    """Model for requests that name none and have a text; where it is not offered, the default model."""
    preload: list[str] | None = None
    """Models whose workers start with the node; left out: the default model."""
    model: dict[str, ModelConfig] = {}
    """Tables of single models."""
    route: dict[str, RouteConfig] = {}
    """Tables of routes."""
    breaker_failures: int = 3
    """Failures of a model in a row after which routes leave it out for a while."""
    breaker_pause_s: float = 30.0
    """How long they do, seconds."""
    cache: Literal["memory", "redis", "none"] = "memory"
    """Where answers are kept, for requests that are the same."""
    cache_bytes: int = 64 * MIB
    """Answers kept in memory, bytes."""
    cache_ttl_s: float = 3600.0
    """Seconds after which a kept answer goes."""
    redis_url: str = "redis://127.0.0.1:6379/0"
    """Where redis is, for `cache = "redis"`: redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], rediss://… or unix://PATH."""
    weights_dir: str = ""
    """Directory of model weights (MASKBUS_WEIGHTS); empty: maskbus/weights in the user's cache directory."""
    deadline_ms: int = 30_000
    """Deadline of requests that name none, milliseconds."""
    queue_length: int = 64
    """Requests that may wait for one model; one more is answered `busy`."""
    image_dir: str = ""
    """Directory of the images in shared memory; empty: one on the memory file system, where the system has it."""
    image_bytes: int = 1024 * MIB
    """Shared memory for images, bytes; it is reserved as it is needed."""
    leased_bytes: int = 512 * MIB
    """Shared memory that clients on this machine may hold, all together, bytes; 0: none."""
    leased_bytes_per_client: int = 256 * MIB
    """Of that, what one connection may hold."""
    kept_bytes: int = 512 * MIB
    """Of `image_bytes`, what images kept under an `image_id` may hold."""
    kept_ttl_s: float = 0.0
    """Seconds after which a kept image that nobody has used goes; 0: never."""
    embedding_bytes: int = 512 * MIB
    """Embeddings a worker keeps, bytes."""
    embedding_ttl_s: float = 600.0
    """Seconds after which an embedding that nobody has used goes; 0: never."""
    streams: int = 1024
    """Streams that may be open at a time."""
    stream_idle_s: float = 60.0
    """Seconds without a frame after which a stream is closed."""
    stream_bytes: int = 256 * MIB
    """Memory for frames of streams that wait for their turn, bytes."""
    tracker_bytes: int = 1024 * MIB
    """Memory for what a worker remembers of the objects it follows, bytes."""
    topic_bytes: int = 64 * MIB
    """Last values of topics kept for late joiners, bytes."""
    threads: int = 0
    """CPU threads of each worker; 0: the workers that run on the CPU share its cores."""
    worker_memory_bytes: int = 0
    """Private memory a worker may take; 0: no limit."""
    heartbeat_s: float = 1.0
    """Seconds between a worker's signs of life."""
    heartbeat_timeout_s: float = 10.0
    """Seconds without one after which a worker is ended and started again."""
    load_timeout_s: float = 300.0
    """Seconds a worker may take to load its model."""
    hang_grace_s: float = 2.0
    """Seconds past a deadline that a worker may still compute before it is ended."""
    backoff_s: float = 0.2
    """Seconds before a worker that ended is started again; doubled each time it ends without having answered."""
    backoff_most_s: float = 30.0
    """The longest such wait, seconds."""
    stop_timeout_s: float = 5.0
    """Seconds that requests in flight have to finish when the node stops."""
    max_pixels: int = DEFAULT_LIMITS.pixels
    """Pixels of one image."""
    max_frame_bytes: int = DEFAULT_LIMITS.frame_bytes
    """Bytes of one frame of a message."""
    log_level: str = "info"
    """debug, info, warning or error."""

    @property
    def routes(self) -> dict[str, RouteConfig]:
        """All routes: `auto` is there without being configured."""
        return {"auto": AUTO, **self.route}


class Effective(msgspec.Struct, frozen=True):
    """A configuration, and where each of its values came from."""

    config: Config
    origin: dict[str, str]
    """Field → "default", "file PATH", "environment NAME" or "flag"."""
    warnings: list[str]


def load(
    *,
    file: str | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    aliases: Mapping[str, tuple[Any, str]] | None = None,
) -> Effective:
    """Return the effective configuration.

    Args:
        file: TOML file; None: the one MASKBUS_CONFIG names, if it is set.
        environment: MASKBUS_* variables; None: the process's own.
        flags: Values from the command line, already of the right type.
        aliases: Value and origin of what other programs' settings say; all else goes before them, table by table.

    Raises:
        ConfigError: with the name and the origin of the setting that is wrong.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origin = dict.fromkeys(Config.__struct_fields__, "default")
    warnings: list[str] = []
    for name, (value, where) in (aliases or {}).items():
        values[name], origin[name] = value, where
    path = file or environment.get("MASKBUS_CONFIG")
    if path:
        for name, value in _read(Path(path)).items():
            values[name] = _over(values[name], value) if name in values else value
            origin[name] = f"file {path}"
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable in CLIENT_VARIABLES:
            continue
        name = _SHORT_VARIABLES.get(variable) or variable[len(ENVIRONMENT_PREFIX) :].lower()
        if name not in origin:
            warnings.append(f"{variable} names no setting and is ignored.")
            continue
        values[name] = _from_text(name, environment[variable], f"environment {variable}")
        origin[name] = f"environment {variable}"
    for name, value in (flags or {}).items():
        values[name] = value
        origin[name] = "flag"
    config = _checked(values, origin)
    if "default_model" not in values and config.models and config.default_model not in config.models:
        # Who offers other models than the default one means the first of them.
        config = msgspec.structs.replace(config, default_model=config.models[0])
        origin["default_model"] = origin["models"]
    return Effective(config, origin, warnings)


def _over(below: Any, value: Any) -> Any:
    """Return a value that goes before another; of tables, key by key."""
    if not (isinstance(below, Mapping) and isinstance(value, Mapping)):
        return value
    return {**below, **{key: _over(below[key], one) if key in below else one for key, one in value.items()}}


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            read: dict[str, Any] = tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"The configuration file {path} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration file {path} is not TOML: {error}.") from None
    return read


def _from_text(name: str, text: str, origin: str) -> Any:
    """Read one value from an environment variable: lists are separated by commas, tables cannot be given."""
    kind = {field.name: field.type for field in msgspec.structs.fields(Config)}[name]
    if kind == list[str] or kind == list[str] | None:
        return [part.strip() for part in text.split(",") if part.strip()]
    if name in {"model", "route"}:
        raise ConfigError(f"{name} ({origin}): tables of {name}s can only stand in a file.")
    try:
        return msgspec.convert(text.strip(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{name} ({origin}): {error}.") from None


def _checked(values: dict[str, Any], origin: dict[str, str]) -> Config:
    for name in values:
        if name not in Config.__struct_fields__:
            raise ConfigError(f"{name} ({origin[name]}): there is no such setting.")
    _check_tables(values, origin)
    try:
        config = msgspec.convert(values, Config)
    except msgspec.ValidationError as error:
        text = str(error)
        name = text.partition("$.")[2].partition("`")[0].partition(".")[0].partition("[")[0]
        where = f" ({origin[name]})" if name in origin else ""
        raise ConfigError(f"{name or 'The configuration'}{where}: {text}.") from None

    def wrong(name: str, sentence: str) -> ConfigError:
        return ConfigError(f"{name} ({origin[name]}): {sentence}")

    for name in Config.__struct_fields__:
        value = getattr(config, name)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            may_be_zero = name in {
                "threads",
                "worker_memory_bytes",
                "stop_timeout_s",
                "hang_grace_s",
                "topic_bytes",
                "leased_bytes",
                "kept_ttl_s",
                "embedding_ttl_s",
            }
            if not (value >= 0 if may_be_zero else value > 0):
                raise wrong(name, f"must be {'at least' if may_be_zero else 'more than'} 0; it is {value}.")
            if math.isinf(value):
                raise wrong(name, "must be finite.")
    for name, model in config.model.items():
        if model.post is not None:
            _check_post(model.post, lambda sentence, name=name: wrong("model", f"[model.{name}] {sentence}"))
    for name, route in config.route.items():
        table = f"[route.{name}]"
        if not route.models:
            raise wrong("route", f"{table} needs at least one model.")
        if len(set(route.models)) < len(route.models):
            raise wrong("route", f"{table} names a model twice.")
        if not 0 <= route.min_predicted_iou <= 1:
            raise wrong("route", f"{table} min_predicted_iou is 0 to 1; it is {route.min_predicted_iou:g}.")
        if route.share is not None and not 0 < route.share <= 1:
            raise wrong("route", f"{table} share is more than 0, at most 1; it is {route.share:g}.")
    if config.log_level not in {"debug", "info", "warning", "error"}:
        raise wrong("log_level", f"is debug, info, warning or error; it is {config.log_level!r}.")
    if config.heartbeat_timeout_s < 2 * config.heartbeat_s:
        raise wrong("heartbeat_timeout_s", "must be at least twice heartbeat_s.")
    if config.client_keys_dir and not config.secret_key_file:
        raise wrong("client_keys_dir", "has no effect without secret_key_file.")
    if not config.bind:
        raise wrong("bind", "needs at least one endpoint.")
    for name in ("bind", "publish"):
        for endpoint in getattr(config, name):
            _check_endpoint(
                endpoint,
                config.allow_remote or bool(config.secret_key_file),
                lambda sentence, name=name: wrong(name, sentence),
            )
    return config


def _check_tables(values: Mapping[str, Any], origin: Mapping[str, str]) -> None:
    """Find what is misspelt in tables of models and routes, or put in the wrong one."""
    for kind, struct in (("model", ModelConfig), ("route", RouteConfig)):
        tables = values.get(kind)
        for name, table in tables.items() if isinstance(tables, Mapping) else ():
            where = f"[{kind}.{name}]"
            _check_names(table, struct, where, "a model's own options stand in its options", origin[kind])
            post = table.get("post") if isinstance(table, Mapping) else None
            _check_names(post, PostProcessing, f"[{kind}.{name}.post]", "", origin[kind])


def _check_names(table: Any, struct: type[msgspec.Struct], where: str, hint: str, origin: str) -> None:
    known = struct.__struct_fields__
    for name in table if isinstance(table, Mapping) else ():
        if name not in known:
            hint = f"; {hint}" if hint and "options" in known else ""
            raise ConfigError(
                f"{where} {name} ({origin}): there is no such setting; there are {', '.join(known)}{hint}."
            )


def _check_post(post: PostProcessing, wrong: Any) -> None:
    from maskbus_wire.errors import WireError
    from maskbus_wire.option_checks import check_post  # brings numpy, which not every command needs

    try:
        check_post(post)
    except WireError as error:
        raise wrong(f"{error.path}: {error.message}") from None


def _check_endpoint(endpoint: str, allow_remote: bool, wrong: Any) -> None:
    scheme, separator, address = endpoint.partition("://")
    if not separator or scheme not in {"tcp", "ipc", "inproc"} or not address:
        raise wrong(f"{endpoint!r} is no endpoint; write tcp://127.0.0.1:7710, say.")
    if scheme != "tcp":
        return
    host, _, port = address.rpartition(":")
    if not host or not (port.isdigit() or port == "*"):
        raise wrong(f"{endpoint!r} has no port; write tcp://127.0.0.1:7710, say.")
    if not _is_local(host) and not allow_remote:
        raise wrong(
            f"{endpoint!r} can be reached from other machines, and nobody is authenticated there. "
            "Set secret_key_file (see `maskbus keys --help`); or, if the network is yours alone, allow_remote = true."
        )


def _is_local(host: str) -> bool:
    if host in {"localhost", "[::1]"}:
        return True
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False
