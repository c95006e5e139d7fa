"""Who a workspace's letters come from; the verbs are in `tenant_apps.sender`, where the apps below have
them too."""

from tenant_apps.sender import Sender, from_header, register_sender, reply_to

__all__ = ["Sender", "from_header", "register_sender", "reply_to"]
