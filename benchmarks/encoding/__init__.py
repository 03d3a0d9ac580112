"""What `benchmarks.encode` is made of: encoders to compare, each in a process of its own."""
