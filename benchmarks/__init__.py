"""Measurements of speed: figures and goals are explained in docs/performance.md.

Each script makes a database of its own on the server of DATABASE_URL and drops it at the end.
"""
