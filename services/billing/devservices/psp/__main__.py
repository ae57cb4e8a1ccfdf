"""`python -m services.billing.devservices.psp [PORT]`: the payment provider of development, on this machine or in a
container; settings from the environment, prefix COMPTOIR_PSP_."""

import sys

import uvicorn

from services.billing.devservices.psp.app import Settings, build

if __name__ == "__main__":
    settings = Settings()
    port = int(sys.argv[1]) if len(sys.argv) > 1 else settings.port
    uvicorn.run(build(settings), host=settings.host, port=port, log_level="warning")
