"""How often the API may be asked. Counted in PostgreSQL (docs/adr/0009)."""

from datetime import timedelta

from posdoctor.core.doors import Door

# A desk behind one address has many people; a script that loops is stopped all the same.
BY_ADDRESS = Door("api-address", 3_000, timedelta(minutes=1))
BY_PERSON = Door("api-person", 600, timedelta(minutes=1))
WRITES_BY_PERSON = Door("api-writes", 240, timedelta(minutes=1))
# Wrong tokens: 256 bits are not guessed, but a broken script should hear that it is broken.
WRONG_TOKEN_BY_ADDRESS = Door("api-token-address", 30, timedelta(minutes=10))
# A body without files.
MAX_BODY_BYTES = 1024 * 1024
