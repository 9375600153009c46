"""What is taken out of a structure, and how what is left is written.

From outside: `clean.remove`, `writing.write`.
"""
