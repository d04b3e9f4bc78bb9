"""What the tests of /api/v1/admin/users/{id} share."""

from accounts.models import User

USERS = "/api/v1/admin/users"


def place(member: User, verb: str = "") -> str:
    return f"{USERS}/{member.pk}{'/' if verb else ''}{verb}"


def told(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]
