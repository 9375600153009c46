"""The front page of a published dataset: its card, provenance and pictures, in Markdown.

From outside: `front_page` (all that it tells), `card` (the README.md), `provenance`.
"""
