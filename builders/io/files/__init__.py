"""Files by their locations, on servers and on this machine: their bytes, their names, and the cache of them.

From outside: all of it; `location` is asked first, since it does not matter there where a file lies.
"""
