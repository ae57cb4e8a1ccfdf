"""The money of orders: pure decisions. rule.py is the one rule; flow.py is what every decision does with it."""

from services.billing.domain.rows import Account, Policy

__all__ = ["Account", "Policy"]
