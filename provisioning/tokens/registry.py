"""The class of each provider."""

from collections.abc import Mapping
from typing import Final

from provisioning.tokens.base import TokenProvider
from provisioning.tokens.gitea import Gitea
from provisioning.tokens.models import Provider
from provisioning.tokens.n8n import N8n
from provisioning.tokens.sftpgo import SFTPGo
from provisioning.tokens.wordpress import WordPress

PROVIDERS: Final[Mapping[str, TokenProvider]] = {
    Provider.GITEA: Gitea(),
    Provider.N8N: N8n(),
    Provider.SFTPGO: SFTPGo(),
    Provider.WORDPRESS: WordPress(),
}
