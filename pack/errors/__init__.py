"""From an exception to what is shown: problem texts, similar paths, crash reports."""
