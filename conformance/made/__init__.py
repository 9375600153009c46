"""Images made of a structure beside those of cryoJAX and ASPIRE, in an environment of its own."""
