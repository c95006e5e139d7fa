"""All the tenants at once: their migrations, and what has drifted away from the release."""
