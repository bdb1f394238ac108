"""Why and where a backend differs. It changes no verdict."""
