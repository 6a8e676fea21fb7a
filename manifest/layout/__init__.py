"""From an origin to places in a package: rules, survey, execution blocks, names."""
