"""The course around the notebooks: what a lesson needs, exercises with their checks."""
