"""Looking at image files of any format, on this machine, a server or in EMPIAR, before anything is loaded.

From outside: `cli`, which adds `perc inspect`; `summary.summarise` says what a file holds, `pictures` shows it.
"""
