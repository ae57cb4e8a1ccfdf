"""Scenarios play in the towns of the journeys."""

from tests.journeys.conftest import bus, founder, plot, town

__all__ = ["bus", "founder", "plot", "town"]
