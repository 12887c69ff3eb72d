"""The global control state on Redis: the event log, the small tables, and the server that holds them.

Nothing here imports redis-py at module level: it takes 60 ms, which only who talks to Redis shall spend.
"""
