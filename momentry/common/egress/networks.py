"""Networks that nobody may be sent to, and those that are public. Tables only.

After IANA's registries of special-purpose addresses (RFC 6890, RFC 8190) and the RFCs named beside
the lines. Written out because ``ipaddress`` judges by its own copy, which changes with Python.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

Network = IPv4Network | IPv6Network


def networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# Who may ask these gets a machine's credentials, or commands it. 169.254.169.254 is most clouds'
# own; where each cloud documents its address: AWS EC2 user guide and EKS pod identity (its range
# for such services is fd00:ec2::/32), Google Compute Engine, OCI (192.0.0.192 is its classic one),
# Scaleway and Akamai (both in cloud-init's documentation), Alibaba Cloud ECS, Azure's wire server.
METADATA: Final = networks(
    "169.254.169.254/32",
    "169.254.170.2/32",  # AWS ECS tasks
    "169.254.170.23/32",  # AWS EKS pod identity
    "169.254.42.42/32",  # Scaleway
    "169.254.0.23/32",  # Tencent Cloud
    "100.100.100.200/32",  # Alibaba Cloud
    "168.63.129.16/32",  # Azure
    "192.0.0.192/32",  # Oracle
    "fd00:ec2::/32",  # AWS
    "fd20:ce::254/128",  # Google Cloud
    "fd00:c1::a9fe:a9fe/128",  # Oracle
    "fd00:42::42/128",  # Scaleway
    "fd00:a9fe:a9fe::1/128",  # Akamai (Linode)
    "fd00:100::100:200/128",  # Alibaba Cloud
    "fe80::a9fe:a9fe/128",  # OpenStack
)

NEVER: Final = (
    ("a metadata address", METADATA),
    ("link-local", networks("169.254.0.0/16", "fe80::/10")),  # RFC 3927, RFC 4291
    # Linux connects 0.0.0.0 and :: to the machine itself.
    ("unspecified", networks("0.0.0.0/8", "::/128")),  # RFC 791, RFC 4291
    ("multicast", networks("224.0.0.0/4", "ff00::/8")),  # RFC 5771, RFC 4291
    ("broadcast", networks("255.255.255.255/32")),  # RFC 919
    ("reserved", networks("192.0.0.0/24", "240.0.0.0/4")),  # RFC 6890, RFC 1112
)

# What IPv6 may be dialled at all: unicast, unique local, and what only carries an IPv4 address (::1
# is among these). The rest is reserved, deprecated (fec0::/10), or a translator's (64:ff9b:1::/48)
# of which nobody can tell where it leads.
DIALLED_V6: Final = networks(
    "2000::/3", "fc00::/7", "::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96"
)

NOT_PUBLIC: Final = networks(
    "10.0.0.0/8",  # RFC 1918
    "100.64.0.0/10",  # RFC 6598
    "127.0.0.0/8",  # RFC 1122
    "172.16.0.0/12",
    "192.0.2.0/24",  # RFC 5737
    "192.88.99.0/24",  # RFC 7526
    "192.168.0.0/16",
    "198.18.0.0/15",  # RFC 2544
    "198.51.100.0/24",
    "203.0.113.0/24",
    "::/96",
    "::ffff:0:0:0/96",
    "2001::/23",  # RFC 2928: Teredo, benchmarking, ORCHID
    "2001:db8::/32",  # RFC 3849
    "2002::/16",  # RFC 7526
    "3fff::/20",  # RFC 9637
    "fc00::/7",  # RFC 4193
)
