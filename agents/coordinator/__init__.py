"""The coordinator: turns proposals into decisions, or into nothing."""
