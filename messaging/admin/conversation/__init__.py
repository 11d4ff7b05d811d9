"""Conversations: the inbox, the thread as this user may see it, where the contact stands, and a box to write in."""

from messaging.admin.conversation.screen import ConversationAdmin

__all__ = ["ConversationAdmin"]
