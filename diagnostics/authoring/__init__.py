"""Changing flows as documents: words for likelihoods, edits, what a change touches. Pure."""
