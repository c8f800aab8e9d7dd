"""The API of terminals and their models."""
