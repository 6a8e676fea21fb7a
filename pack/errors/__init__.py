"""Error messages: exception to exit code and text, problem texts, similar paths, crash reports."""
