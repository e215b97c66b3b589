"""Makes model zoos: clean and backdoored classifiers with a manifest of their ground truth.

Knows nothing of detection, and detection knows nothing of it.
"""
