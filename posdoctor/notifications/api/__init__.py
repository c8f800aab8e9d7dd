"""The API of one's own notices, and of what leads see of deliveries."""
