"""The distribution's version: metadata.txt is the only place where it is typed."""

from configparser import ConfigParser

from setuptools import setup

metadata = ConfigParser(interpolation=None)
metadata.read("metadata.txt", encoding="utf-8")
setup(version=metadata["general"]["version"])
