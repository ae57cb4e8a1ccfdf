"""What a container runs: `python -m shared serve`, `migrate` or `healthy`, for the service that COMPTOIR_SERVICE names.

It needs shared/ and the service's own folder, nothing else of the suite, so that an image holds no more.
"""

import os
import sys

from shared.endings import end_at_sigterm

COMMANDS = ("serve", "migrate", "healthy")


def main() -> None:
    """What a person can mend ends with one sentence on standard error and exit code 2, not with a traceback."""
    end_at_sigterm()  # before the long imports: the kernel drops a signal that process 1 does not listen to
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        end(f"usage: python -m shared {'|'.join(COMMANDS)}")
    if sys.argv[1] == "healthy":
        raise SystemExit(0 if healthy() else 1)
    name = os.environ.get("COMPTOIR_SERVICE", "")
    if not name:
        end("which service? Set COMPTOIR_SERVICE, for example to order")

    from pydantic import ValidationError

    from shared import serve
    from shared.settings import WrongSetting

    try:
        serve_alone(name) if sys.argv[1] == "serve" else migrate(name)
    except (serve.NotHere, WrongSetting) as error:
        end(str(error))
    except ValidationError as error:
        if not error.title.endswith("Settings"):
            raise
        end(serve.wrong_settings(error))


def end(said: str) -> None:
    sys.stderr.write(said + "\n")
    raise SystemExit(2)


def serve_alone(name: str) -> None:
    """Its queues must be declared already: alone it cannot know what the others read."""
    from shared.messaging import topology
    from shared.serve import load, run, serve
    from shared.settings import no_misspelt

    kind, build = load(name)
    no_misspelt([kind])
    service = build(kind())
    topology.register({name: service.handlers})
    run(serve(service))


def migrate(name: str) -> None:
    """Brings the service's database, which must be there, to the newest revision that this program knows."""
    from shared import logging as logs
    from shared.migrate import head, upgrade
    from shared.serve import load, run, until_there
    from shared.settings import database_of, no_misspelt

    kind, _ = load(name)
    no_misspelt([kind])
    settings = kind()
    logs.configure(settings.log_level, as_json=settings.log_json)
    url = database_of(settings.database_url, name)
    run(until_there("PostgreSQL", lambda: upgrade(name, url), settings.start_within_s))
    sys.stderr.write(f"{name}: at revision {head(name)}\n")


def healthy() -> bool:
    """Whether this container's service answers that it is ready; asked by the engine every few seconds."""
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("127.0.0.1", int(os.environ.get("COMPTOIR_PORT", "8000")), timeout=5)
    try:
        connection.request("GET", os.environ.get("COMPTOIR_HEALTH", "/health/ready"))
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    main()
