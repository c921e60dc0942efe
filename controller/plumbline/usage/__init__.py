"""Evidence of use: CloudTrail records read, mapped to actions, attributed to principals, grouped; and their coverage."""
