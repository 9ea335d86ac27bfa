"""Attributes what is used within web frameworks and task queues: to routes, and to tasks."""
