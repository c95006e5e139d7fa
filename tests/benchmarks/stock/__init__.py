"""The same tenant apps on stock django-tenants 4.0.1, set up as its documentation says."""
