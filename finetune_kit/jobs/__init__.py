"""The learner's jobs: follow them, read their results, guard the spending."""
