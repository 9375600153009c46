"""The site of the documents: `make docs` assembles docs/ with the changelog and what pages link to, and builds it.

`navigation` is the list of pages in mkdocs.yml, `assembly` makes one folder of all pages, `__main__` has them built.
Only the last step needs a site builder; the others are tested with everything else.
"""
