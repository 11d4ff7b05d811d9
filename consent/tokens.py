"""Who an API token acts as, and what they may do: both in one statement, for each request anew.

An integrator that checks every text before it leaves asks often, so that finding out who asks must not take longer than
the answer.
"""

from django.db import DEFAULT_DB_ALIAS, models
from rest_framework import authentication, exceptions
from rest_framework.authtoken.models import Token

from consent import statements
from consent.models import User

_TOKEN_FIELDS, _USER_FIELDS = Token._meta.concrete_fields, User._meta.concrete_fields
_COLUMNS = statements.Columns(*_TOKEN_FIELDS, *_USER_FIELDS, models.TextField())
_SELECTED = ", ".join(
    [*(f't."{field.column}"' for field in _TOKEN_FIELDS), *(f'u."{field.column}"' for field in _USER_FIELDS)]
)
# A superuser may do anything, so Django does not ask what they were given.
_STATEMENT = f"""SELECT {_SELECTED}, (
    SELECT {{joined}} FROM auth_permission p JOIN django_content_type y ON y.id = p.content_type_id WHERE p.id IN (
        SELECT gp.permission_id FROM auth_group_permissions gp
        JOIN consent_user_groups ug ON ug.group_id = gp.group_id WHERE ug.user_id = u.id
        UNION ALL SELECT up.permission_id FROM consent_user_user_permissions up WHERE up.user_id = u.id)
    AND NOT u.is_superuser)
FROM authtoken_token t JOIN consent_user u ON u.id = t.user_id WHERE t.key = %(key)s"""


class TokenAuthentication(authentication.TokenAuthentication):
    """As the framework's own, where the user comes with their permissions. Nothing is kept from request to request: a
    token that was withdrawn, a user who was switched off and a permission that was taken away count at once."""

    def authenticate_credentials(self, key: str) -> tuple[User, Token]:
        """Raises AuthenticationFailed, in the framework's words."""
        joined = statements.joined("y.app_label || '.' || p.codename")
        rows = statements.fetch(_STATEMENT.format(joined=joined), {"key": key}, _COLUMNS, again_and_again=True)
        if not rows:
            raise exceptions.AuthenticationFailed("Invalid token.")
        token, user, permissions = _read(rows[0])
        if not user.is_active:
            raise exceptions.AuthenticationFailed("User inactive or deleted.")
        if not user.is_superuser:
            # Where Django's ModelBackend keeps them once they were read.
            user._perm_cache = permissions  # type: ignore[attr-defined]
        return user, token


def _read(row: statements.Row) -> tuple[Token, User, set[str]]:
    cut = len(_TOKEN_FIELDS)
    token = Token.from_db(DEFAULT_DB_ALIAS, [field.attname for field in _TOKEN_FIELDS], row[:cut])
    user = User.from_db(DEFAULT_DB_ALIAS, [field.attname for field in _USER_FIELDS], row[cut:-1])
    token.user = user
    return token, user, set((row[-1] or "").split())
