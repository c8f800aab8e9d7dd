"""Promises of a ticket: calendars, clocks and the tick that fires their levels."""
