"""What is told about requests to those who watch: metric families, kept traces, their names."""
