"""The one mechanism: batches of arrivals, one transaction each, pure decisions, packets out."""
