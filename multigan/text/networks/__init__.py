"""Generators and discriminators of texts."""
