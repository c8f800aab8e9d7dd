"""The API of the supervisors' numbers."""
