"""Sounds for training: files, slices of them, and their cache. Only `stream` needs torch."""
