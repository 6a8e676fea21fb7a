"""The work of each verb, without printing; one module per verb. The Python API calls these."""
