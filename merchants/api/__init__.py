"""The API of merchants, stores and contacts."""
