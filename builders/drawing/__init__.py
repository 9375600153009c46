"""What pictures are made of, for every package that draws.

From outside: `lettering.write` for words, `plates.plate` for an image with its scale and a few words.
"""
