"""Delivering webhooks: secrets and signatures, the way out, and the workers that send what waits."""
