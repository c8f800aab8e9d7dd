"""What every part of the REST API shares: errors, paging, limits, repeats. Knows no domain."""
