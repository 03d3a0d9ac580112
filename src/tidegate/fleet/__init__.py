"""Nodes among themselves."""
