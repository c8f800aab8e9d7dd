"""The API of tickets, of their reports and of what happened to a terminal."""
