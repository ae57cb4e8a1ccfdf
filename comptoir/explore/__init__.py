"""Explores the saga on the real decisions: every order of events of small set-ups, to the end, and random lives.

machine.py runs the decisions of the four services on small committed states and remembers each outcome; world.py says
what people, the provider, the carrier and the bank may do next; laws.py what must hold; search.py walks every way there
is and tells the shortest story of a breach.
"""
