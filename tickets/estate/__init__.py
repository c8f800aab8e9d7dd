"""The demo estate: made-up providers, shops and terminals with twelve months of history.

It is written by COPY, past the actions and the model fields, and therefore only into databases
that the `load_estate` command was told to fill. Nothing in the product reads this package.
"""
