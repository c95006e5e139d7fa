"""The app that django-tenants asks for: a tenant model and a domain model."""
