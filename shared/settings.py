"""Settings of a service, from the environment (prefix COMPTOIR_) or a .env file. A wrong value stops the start.

Each may be in a file instead, as secrets are: COMPTOIR_DATABASE_URL_FILE names the file that holds the URL. What the
process has in its environment wins over the .env file, whichever of the two ways it is said.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from shared.keys import parsed


class WrongSetting(ValueError):
    """A file that a setting should come from is not to be used; the text says which and why."""


IN_QUEUE_DAYS = 14
"""A packet that is sent again on the last day of its outbox may lie in its reader's queue for so long."""
MAX_FILE = 64 * 1024
"""Bytes of a file that holds one setting; more is another file."""


ALIKE = 0.88
"""How much alike, of 1, a name is to a setting's that is taken for it misspelt; no two names of the suite are."""
OF_ANOTHER = frozenset({"COMPTOIR_API_KEY", "COMPTOIR_API_KEY_FILE"})
"""But these: settings of the back office that look like a misspelt one of the other services."""


def layers() -> tuple[Mapping[str, str | None], Mapping[str, str | None]]:
    """Variables of the process, and of the .env file of the folder it was started in."""
    return os.environ, dotenv_values(".env")


def setting(name: str) -> str:
    """COMPTOIR_<name> of the environment, or what the file COMPTOIR_<name>_FILE holds; empty if neither is there."""
    variable = f"COMPTOIR_{name}"
    return from_file(variable) or next((layer[variable] or "" for layer in layers() if variable in layer), "")


def file_of(variable: str) -> Path | None:
    """The file that `<variable>_FILE` names; None if the variable itself is said, or none is named."""
    for layer in layers():
        path, value = layer.get(f"{variable}_FILE"), layer.get(variable)
        if path and value:
            raise WrongSetting(f"{variable} is set, and so is {variable}_FILE: which one is meant?")
        if path:
            return Path(path)
        if variable in layer or f"{variable}_FILE" in layer:
            return None
    return None


def from_file(variable: str) -> str | None:
    """What the file that `<variable>_FILE` names holds, without the white space around; None if none is named."""
    path = file_of(variable)
    return None if path is None else text_of(f"{variable}_FILE", path)


def no_misspelt(kinds: Iterable[type["FromFiles"]]) -> None:
    """Raises WrongSetting when a variable looks like a misspelt setting of these kinds: it would be dropped silently.

    Others are no business of ours: several services may be started from one environment.
    """
    fields = {f"COMPTOIR_{name}".upper() for kind in kinds for name in kind.model_fields}
    known = fields | {f"{name}_FILE" for name in fields}
    wrong = []
    for name in sorted({name.upper() for layer in layers() for name in layer} - known - OF_ANOTHER):
        if name.startswith("COMPTOIR_") and (meant := closest(name, known)):
            wrong.append(f"{name} is no setting; is {meant} meant?")
    if wrong:
        raise WrongSetting("wrong settings: " + " ".join(wrong))


def closest(name: str, known: Iterable[str]) -> str | None:
    """The setting that a name is most likely a misspelling of; None if it looks like none."""
    of = {each.removeprefix("COMPTOIR_"): each for each in known}
    found = get_close_matches(name.removeprefix("COMPTOIR_"), of, 1, ALIKE)
    return of[found[0]] if found else None


def text_of(named: str, path: Path) -> str:
    """What a file holds, without the white space around. Raises WrongSetting, which begins with what named the file."""
    try:
        with path.open("rb") as file:
            held = file.read(MAX_FILE + 1)
        text = held.decode().strip()
    except OSError as error:
        raise WrongSetting(f"{named}: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise WrongSetting(f"{named}: {path} is not text in UTF-8") from None
    if not text or len(held) > MAX_FILE:
        raise WrongSetting(f"{named}: {path} is {'too large' if text else 'empty'}")
    return text


class Files(PydanticBaseSettingsSource):
    """A setting from the file that its variable with _FILE names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return from_file(f"{self.config['env_prefix']}{field_name}".upper()), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class FromFiles(BaseSettings):
    """Settings that may lie in files; an argument wins over a file, a file over the .env file."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, Files(settings_cls), env_settings, dotenv_settings


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(f"{name!r} is not a time zone that is known here, as Europe/Brussels is") from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""The name of a time zone, as Europe/Brussels."""


def _http_address(url: str) -> str:
    try:
        parsed = urlsplit(url)
        there = parsed.scheme in ("http", "https") and parsed.hostname and parsed.port != 0
    except ValueError:
        there = False
    if not there or not url.isprintable() or " " in url:
        raise ValueError("not an HTTP address: http://host:8000")
    return url


HttpAddress = Annotated[str, AfterValidator(_http_address)]
"""Where somebody answers by HTTP, as http://host:8000."""


def _instant_or_http(url: str) -> str:
    if url == "instant:":
        return url
    try:
        return _http_address(url)
    except ValueError as error:
        raise ValueError(f"{error}, or instant:") from None


InstantOrHttp = Annotated[str, AfterValidator(_instant_or_http)]
"""`instant:`, which answers in process, or an address."""
LogLevel = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda level: level.upper() if isinstance(level, str) else level),
]
YEARS_S = 100 * 366 * 86_400
"""The longest that a setting may have something wait, in seconds: what is longer no date can be computed from."""


class ServiceSettings(FromFiles):
    """What every service needs to know."""

    model_config = SettingsConfigDict(env_prefix="COMPTOIR_", env_file=".env", extra="ignore", frozen=True)

    database_url: str = Field(
        "postgresql://postgres@127.0.0.1:5432",
        description="PostgreSQL. Without a database name the service uses its own, comptoir_<service>; "
        "{service} in the URL is replaced by the service's name.",
    )
    rabbitmq_url: str = Field("amqp://guest:guest@127.0.0.1:5672/", description="RabbitMQ")
    host: str = Field("127.0.0.1", min_length=1, description="which address of this machine it listens on")
    port: int = Field(8000, ge=0, le=65535)
    log_level: LogLevel = "INFO"
    log_json: bool = True
    start_within_s: float = Field(60, ge=0, le=3600, description="seconds to wait for PostgreSQL and RabbitMQ at start")
    max_batch: int = Field(512, ge=1, le=4096, description="events of one unit of work")
    linger_ms: int = Field(
        20, ge=0, le=1000, description="the longest pause for more between two small units of work, under load; 0: none"
    )
    kept_rows: int = Field(
        100_000, ge=0, description="rows of orders under way that a process keeps in memory, 1 to 2 KB each; 0: none"
    )
    outbox_days: int = Field(90, ge=1, le=36_500, description="how long packets that were sent are kept")
    inbox_days: int = Field(
        120, ge=1 + IN_QUEUE_DAYS, le=36_514, description="how long it is known which packets were handled"
    )
    request_days: int = Field(90, ge=1, le=36_500, description="how long the same Idempotency-Key gets the same answer")
    rabbitmq_prefix: str = Field(
        "comptoir",
        pattern="^[A-Za-z0-9._-]{1,100}$",
        description="before every name on the broker; tells suites apart",
    )
    otlp_endpoint: str = Field(
        "", description="where traces are sent, OTLP over HTTP: http://collector:4318/v1/traces; empty: none are made"
    )
    trace_ratio: float = Field(1.0, ge=0, le=1, description="of the traces that begin here, so many are kept")
    root_path: str = Field("", description="where a reverse proxy has this service, as /order; it takes that away")
    declare_topology: bool = Field(True, description="declare exchange and queues at start; off where a job does it")
    api_keys: str = Field(
        "",
        description="who gets in by HTTP, as `comptoir key` writes it, mostly as COMPTOIR_API_KEYS_FILE, which is read "
        "again when it changes; empty: whoever reaches the service is believed",
    )
    disturbed: bool = Field(False, description="publish every packet twice and shuffled, to prove that nothing changes")

    @field_validator("database_url")
    @classmethod
    def is_postgresql(cls, url: str) -> str:
        try:
            named = make_url(url).drivername.partition("+")[0]
        except ArgumentError:
            named = ""
        if named not in ("postgres", "postgresql"):
            raise ValueError("not the URL of a PostgreSQL server: postgresql://user:password@host:5432")
        return url

    @model_validator(mode="after")
    def keys_outlive_packets(self) -> Self:
        if self.inbox_days < self.outbox_days + IN_QUEUE_DAYS:
            raise ValueError(
                f"COMPTOIR_INBOX_DAYS is {self.inbox_days} and COMPTOIR_OUTBOX_DAYS {self.outbox_days}: what was "
                f"handled must be known {IN_QUEUE_DAYS} days longer than packets can be sent again, so for at least "
                f"{self.outbox_days + IN_QUEUE_DAYS} days"
            )
        return self

    def kept(self) -> dict[str, timedelta]:
        """How long rows of the mechanism's tables are kept, by table."""
        days = {"outbox": self.outbox_days, "inbox": self.inbox_days, "requests": self.request_days}
        return {name: timedelta(days=n) for name, n in days.items()}

    @field_validator("rabbitmq_url")
    @classmethod
    def is_amqp(cls, url: str) -> str:
        parsed = urlsplit(url)
        if parsed.scheme not in ("amqp", "amqps") or not parsed.hostname:
            raise ValueError("not the URL of a RabbitMQ: amqp://user:password@host:5672/")
        return url

    @field_validator("otlp_endpoint")
    @classmethod
    def is_a_collector(cls, url: str) -> str:
        return _http_address(url) if url else url

    @field_validator("root_path")
    @classmethod
    def is_a_path(cls, path: str) -> str:
        if path and (not path.startswith("/") or path.endswith("/")):
            raise ValueError("not a path, as /order is")
        return path

    @field_validator("api_keys")
    @classmethod
    def are_keys(cls, text: str) -> str:
        if text:
            parsed(text)
        return text


def database_of(url: str, service: str) -> str:
    """The URL of one service's own database."""
    if "{service}" in url:
        return url.replace("{service}", service)
    parsed = make_url(url)
    if parsed.database:
        return url
    return parsed.set(database=f"comptoir_{service}").render_as_string(hide_password=False)
