"""Applies what people ask for to alerts."""
