"""Folders of texts and masks as they are published, one module a format."""
