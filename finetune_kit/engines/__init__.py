"""What trains and answers. Each engine is a worker process and an answer process."""
