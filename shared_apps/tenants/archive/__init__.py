"""A tenant as one file, and what is made of such files: import, backups, restore drills, undo.

framing, encryption   how the file's bytes are laid out, checked and sealed
manifest              what the file says of itself
writing, reading      export_tenant; check_archive
restoring             from a checked file to a schema of its own
importing             from there to a live tenant
backups, drills       every night, for every tenant; and the proof that they can be restored
undo                  a backup beside the tenant, and the swap of both
"""
