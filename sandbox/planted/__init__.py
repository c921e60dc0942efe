"""Another organization, in which every kind of hop between principals and every way to gain privileges is planted as true,
each beside its near misses. What a reader has to find in it stands in tests/planted/expected, and nowhere here."""
