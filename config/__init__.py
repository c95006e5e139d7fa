"""How the rooms are put together: settings, URLs, entry points."""
