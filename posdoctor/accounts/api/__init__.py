"""Who calls the API, the base of its views, and the API of people, teams and providers."""
