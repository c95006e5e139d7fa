"""A process to be killed: an export, an import or a drill that stops at a part and waits.

python -m tests.shared_apps.tenants.archive.archive_process VERB PART ARGUMENT…
"""

import sys
import time
from pathlib import Path
from typing import Any

import django


def main() -> None:
    """Run the verb; at PART say so and wait to be killed."""
    django.setup()
    from shared_apps.tenants.archive.drills import run_drill
    from shared_apps.tenants.archive.importing import import_archive
    from shared_apps.tenants.archive.writing import export_tenant
    from shared_apps.tenants.models import Tenant

    verb, part, *rest = sys.argv[1:]

    def stop_there(progress: Any) -> None:
        if progress.part == part:
            sys.stdout.write("there\n")
            sys.stdout.flush()
            time.sleep(120)

    if verb == "export":
        tenant = Tenant.objects.get(subdomain=rest[0])
        export_tenant(tenant=tenant, target=Path(rest[1]), on_progress=stop_there)
    elif verb == "import":
        import_archive(source=Path(rest[0]), subdomain=rest[1], by="victim", on_progress=stop_there)
    else:
        from shared_apps.tenants.archive import drills

        original = drills._compare

        def compare(row: Any, archive: Any) -> None:
            sys.stdout.write("there\n")
            sys.stdout.flush()
            time.sleep(120)
            original(row, archive)

        drills._compare = compare
        run_drill()


if __name__ == "__main__":
    main()
