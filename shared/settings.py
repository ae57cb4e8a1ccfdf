"""Settings of a service, from the environment (prefix COMPTOIR_) or a .env file. A wrong value stops the start."""

from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


class ServiceSettings(BaseSettings):
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
    kept_rows: int = Field(
        100_000, ge=0, description="rows of orders under way that a process keeps in memory, about 1 KB each; 0: none"
    )
    rabbitmq_prefix: str = Field("comptoir", description="before every name on the broker; tells suites apart")
    declare_topology: bool = Field(True, description="declare exchange and queues at start; off where a job does it")
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

    @field_validator("rabbitmq_url")
    @classmethod
    def is_amqp(cls, url: str) -> str:
        parsed = urlsplit(url)
        if parsed.scheme not in ("amqp", "amqps") or not parsed.hostname:
            raise ValueError("not the URL of a RabbitMQ: amqp://user:password@host:5672/")
        return url


def database_of(url: str, service: str) -> str:
    """The URL of one service's own database."""
    if "{service}" in url:
        return url.replace("{service}", service)
    parsed = make_url(url)
    if parsed.database:
        return url
    return parsed.set(database=f"comptoir_{service}").render_as_string(hide_password=False)
