"""Many models: in processes, in a folder that resumes, over machines.

`files` is what the library and the command line call; `run` is the loop below it.
"""
