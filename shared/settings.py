"""Settings of a service, from the environment (prefix COMPTOIR_) or a .env file. A wrong value stops the start.

Each may be in a file instead, as secrets are: COMPTOIR_DATABASE_URL_FILE names the file that holds the URL.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, field_validator, model_validator
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


def setting(name: str) -> str:
    """COMPTOIR_<name> of the environment, or what the file COMPTOIR_<name>_FILE holds; empty if neither is there."""
    return from_file(f"COMPTOIR_{name}") or os.environ.get(f"COMPTOIR_{name}", "")


def from_file(variable: str) -> str | None:
    """What the file that `<variable>_FILE` names holds, without the white space around; None if none is named."""
    path = os.environ.get(f"{variable}_FILE")
    if not path:
        return None
    if os.environ.get(variable):
        raise WrongSetting(f"{variable} is set, and so is {variable}_FILE: which one is meant?")
    return text_of(f"{variable}_FILE", Path(path))


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
    except (ValueError, OSError) as error:
        raise ValueError(f"not a time zone that is known here: {error}") from None
    return name


TimeZone = Annotated[str, AfterValidator(_known_zone)]
"""The name of a time zone, as Europe/Brussels."""


class ServiceSettings(FromFiles):
    """What every service needs to know."""

    model_config = SettingsConfigDict(env_prefix="COMPTOIR_", env_file=".env", extra="ignore", frozen=True)

    database_url: str = Field(
        "postgresql://postgres@127.0.0.1:5432",
        description="PostgreSQL. Without a database name the service uses its own, comptoir_<service>; "
        "{service} in the URL is replaced by the service's name.",
    )
    rabbitmq_url: str = Field("amqp://guest:guest@127.0.0.1:5672/", description="RabbitMQ")
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    log_level: str = "INFO"
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
    rabbitmq_prefix: str = Field("comptoir", description="before every name on the broker; tells suites apart")
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
