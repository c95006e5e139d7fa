from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "tenant_apps.users"
    verbose_name = "People"

    def ready(self) -> None:
        from allauth.account.signals import email_confirmed
        from django.contrib.auth.signals import user_logged_in, user_logged_out

        from shared_apps.tenants.registry import (
            CloneRules,
            keep_writable,
            register_clone_rules,
            register_exporter,
            register_ownership_giver,
            register_password_check,
            register_person_finder,
            register_seeder,
        )
        from tenant_apps.activity.event_types import register_event_types
        from tenant_apps.activity.notification_kinds import (
            Kind,
            register_kinds,
            register_people_finder,
        )
        from tenant_apps.api.problems import register_refusal
        from tenant_apps.users import (
            adapter,
            errors,
            events,
            exporting,
            membership,
            passwords,
            seeding,
            selectors,
            sign_ins,
        )
        from tenant_apps.users.permissions import Permission, register_permissions
        from tenant_apps.users.scopes import register_scopes

        register_permissions(
            Permission("users.use_admin", "Open the admin", roles=("admin", "editor", "author")),
            Permission("users.view_user", "See the people of this workspace", roles=("admin",)),
            Permission("users.manage_people", "Invite people and change roles", roles=("admin",)),
        )
        register_scopes("users", things="people, roles and invitations, your profile and tokens")
        register_event_types(*events.EVENT_TYPES)
        register_people_finder(selectors.people_who_may)
        register_kinds(Kind("invitation_accepted", "Somebody accepted your invitation"))
        register_refusal(errors.MembershipError)
        # Django's and allauth's own: whoever logs in, wherever, has a row for it.
        user_logged_in.connect(sign_ins.on_logged_in, dispatch_uid="users.sign_ins")
        user_logged_out.connect(sign_ins.on_logged_out, dispatch_uid="users.sign_ins")
        email_confirmed.connect(adapter.on_address_confirmed, dispatch_uid="users.welcoming")
        register_seeder("users", seeding.seed_roles_and_owner, order=0)
        register_person_finder("users", membership.find_person)
        register_ownership_giver("users", membership.give_ownership)
        register_password_check("users", passwords.check_password)
        # What logging in writes, besides the session.
        keep_writable("users_user", columns=["last_login"])
        keep_writable("mfa_authenticator", columns=["last_used_at"])
        keep_writable("users_signin")
        keep_writable("users_apitoken", columns=["last_used_at", "last_used_from"])
        # Nobody logs in to a copy with what they know or hold for the source: they ask for a new
        # password. A password that begins with "!" fits nothing (Django's UNUSABLE_PASSWORD_PREFIX).
        register_clone_rules(
            "users",
            CloneRules(
                never=[
                    "users_invitation",
                    "users_apitoken",
                    "users_signin",
                    "account_emailconfirmation",
                    "mfa_authenticator",
                ],
                replaced={"users_user": {"password": "!"}},
            ),
        )
        register_exporter("users", exporting.export_rows)
