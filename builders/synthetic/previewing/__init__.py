"""`perc synthetic preview`: what would be made of some structures, on one sheet."""
