"""The messages that the services exchange, and the arithmetic of money they share. Plain Pydantic, no framework."""
