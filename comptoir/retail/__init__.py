"""Files of the form of UCI "Online Retail": read, turned into orders and returns, and the figures they must give.

Pure functions over the file; nothing here knows a service.
"""
