"""What all tenants share: the public schema and the engine that keeps tenants apart."""
