"""The API of guided diagnoses."""
