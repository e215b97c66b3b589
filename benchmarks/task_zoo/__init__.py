"""Clean and attacked networks of tasks that nobody has references for.

    python -m benchmarks.task_zoo.train ZOO --data-root DATA

See plan.py for what is trained, tasks.py for the tasks, train.py for the driver.
"""
