"""Benchmarks: each prints a table for people and ends with one line of JSON."""
