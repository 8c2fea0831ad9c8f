"""From chapters to the rendered book: execution in order, rendering, and the run in one file."""
