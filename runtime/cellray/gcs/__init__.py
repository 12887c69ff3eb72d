"""The global control state on Redis: the event log, the small tables, and the server that holds them.

Redis is spoken to by some 200 lines of our own (`resp`, `connection`, `async_connection`), not through redis-py:
measured on two cores, redis.asyncio costs 280 us of CPU for each append of 20 KB where these cost under 100, which at
one append every 3 ms is a tenth of a core; and importing it takes 120 ms of a session's start.
"""
