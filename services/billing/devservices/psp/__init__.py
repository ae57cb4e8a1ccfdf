"""A payment provider for development and tests: a small HTTP service with a durable book of its own."""
