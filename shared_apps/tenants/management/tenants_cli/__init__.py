"""The subcommands of `manage.py tenants`. Each module has an `add_arguments` and its `VERBS`.

    terminal    tables, JSON, progress, questions; what all of them share
    showing     list, show, pool
    lifecycle   create, the states, rename, clone, transfer, erase
    archiving   export, import, backup
    undoing     undo
    running     run, shell
    doctor      doctor

They call verbs of the engine and write no rows themselves.
"""
