"""Layout: survey of an origin, rules, execution blocks, and the path of each file in the member."""
