"""Real parts that die on purpose: processes, a broker and a database of our own."""
