"""Which conventions a table of particles follows: found by projecting a volume, or from its images alone.

From outside: by `builders.particles.check`.
"""
