"""`python -m services.billing.devservices.psp [PORT]`: the payment provider of development on this machine."""

import sys

import uvicorn

from services.billing.devservices.psp.app import build

if __name__ == "__main__":
    uvicorn.run(build(), host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8090, log_level="warning")
