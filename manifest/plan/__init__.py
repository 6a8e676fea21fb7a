"""Plan: from a request to a plan, with all checks that need no write."""
