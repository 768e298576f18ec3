"""The calls of a run: `fanout` schedules them, `client` makes one, `kartra` knows the API, `transport` speaks HTTP."""
