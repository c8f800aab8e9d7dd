"""Path parts that are ticket references, in either case."""


class RefConverter:
    """`T-7K3Q9M`; lower case is accepted and raised."""

    regex = "[Tt]-[0-9A-Za-z]{6}"

    def to_python(self, value: str) -> str:
        return value.upper()

    def to_url(self, value: str) -> str:
        return value
