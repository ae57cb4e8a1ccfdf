"""The whole suite in one process, on one seed: the real decisions and the real unit of work on a model world.

Bus, payment provider, carrier, people and clock are models; services, saga, timers, retry ladder and packing are what
runs in production. A seed decides everything: what is ordered, what people wish for, what fails when.
"""
