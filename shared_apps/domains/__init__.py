"""Hostnames: which tenant answers where."""
