from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "tenant_apps.users"
    verbose_name = "People"

    def ready(self) -> None:
        from shared_apps.tenants.registry import (
            CloneRules,
            keep_writable,
            register_clone_rules,
            register_exporter,
            register_password_check,
            register_person_finder,
            register_seeder,
        )
        from tenant_apps.users import exporting, membership, passwords, seeding
        from tenant_apps.users.permissions import Permission, register_permissions

        register_permissions(
            Permission("users.use_admin", "Open the admin", roles=("admin", "editor", "author")),
            Permission("users.view_user", "See the people of this workspace", roles=("admin",)),
            Permission("users.manage_people", "Invite people and change roles", roles=("admin",)),
        )
        register_seeder("users", seeding.seed_roles_and_owner, order=0)
        register_person_finder("users", membership.find_person)
        register_password_check("users", passwords.check_password)
        # What logging in writes, besides the session.
        keep_writable("users_user", columns=["last_login"])
        keep_writable("mfa_authenticator", columns=["last_used_at"])
        # Nobody logs in to a copy with what they know or hold for the source: they ask for a new
        # password. A password that begins with "!" fits nothing (Django's UNUSABLE_PASSWORD_PREFIX).
        register_clone_rules(
            "users",
            CloneRules(
                never=["users_invitation", "account_emailconfirmation", "mfa_authenticator"],
                replaced={"users_user": {"password": "!"}},
            ),
        )
        register_exporter("users", exporting.export_rows)
