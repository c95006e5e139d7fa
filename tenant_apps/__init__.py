"""What each tenant has for itself, in a schema of its own."""
