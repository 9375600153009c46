"""Rows of movies: which frames, alone, in groups or summed, with which gain and shifts.

From outside: `options.MovieOptions`, what builders of movies are asked, and `development`, what becomes of a file's
frames by it.
"""
