"""Ways to reach people beside the topic: one class per service, each behind the port Channel."""
