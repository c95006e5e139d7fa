from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "tenant_apps.users"
    verbose_name = "People"

    def ready(self) -> None:
        from shared_apps.tenants.registry import (
            register_password_check,
            register_person_finder,
            register_seeder,
        )
        from tenant_apps.users import membership, passwords, seeding
        from tenant_apps.users.permissions import Permission, register_permissions

        register_permissions(
            Permission("users.use_admin", "Open the admin", roles=("admin", "editor", "author")),
            Permission("users.view_user", "See the people of this workspace", roles=("admin",)),
            Permission("users.manage_people", "Invite people and change roles", roles=("admin",)),
        )
        register_seeder("users", seeding.seed_roles_and_owner, order=0)
        register_person_finder("users", membership.find_person)
        register_password_check("users", passwords.check_password)
