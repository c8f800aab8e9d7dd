"""Network facts of a log: the terminal's address, mask, gateway and DNS, and whether they fit."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from diagnostics.flow import Text

_IPV4 = r"(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)"
_NOTHING = r"(?:null|none|nil|n/a|unset|empty|-{1,3}|无|空|未设置|未配置|没有)(?![a-z0-9])|(?=\s*$)"
_LABELS = {
    # A photo is often read as 1P or lP.
    "ip": (
        r"ipv?4?[ _-]?addr(?:ess)?|ipv?4?地址|本机地址|ip设置|local[ _-]?ip|inet|静态ip"
        r"|[il1]p(?=[\s:=\"']{1,3})"
    ),
    "mask": r"sub-?net[ _-]?mask|net[ _-]?mask|子网掩码|掩码|mask",
    "gateway": r"default[ _-]?gate[ _-]?way|gate[ _-]?way|默认网关|网关|default via|\bgw\b",
    "dns": (
        r"(?:dns|域名服务器)(?:[ _-]?(?:server|address|服务器|地址))?s?[ _-]?[1-4]?|nameserver"
    ),
}
_FACT = re.compile(
    "(?<![a-z])(?:"
    + "|".join(f"(?P<{kind}>{words})" for kind, words in _LABELS.items())
    + r")(?P<link>[\s:=\"'\]\[(>|]{1,16}+)"
    + rf"(?P<value>{_IPV4}(?:/(?P<prefix>\d{{1,2}})(?!\d))?|(?P<nothing>{_NOTHING}))"
)
# After one DNS server another one may stand.
_NEXT = re.compile(rf"[\s,;/、]{{1,3}}({_IPV4})")
# Labels that speak of the other side.
_FOREIGN = re.compile(
    r"(?:server|host|remote|peer|dest(?:ination)?|target|public|ping|connect(?:ing)? to"
    r"|主机|服务器|后台|对端|平台|外网|目标)[\s._-]{0,2}$"
)
_SIGNAL = re.compile(r"(?:rssi|signal|信号|dbm)[^\d-]{0,12}(-\d{2,3})(?!\d)|(-\d{2,3})\s?dbm")
# Facts of one interface stand together; further apart they are of another moment.
_TOGETHER = 15
_MOST_DNS = 4

PROBLEMS: dict[str, Text] = {
    "ip_missing": Text("终端没有 IP 地址", "The terminal has no IP address"),
    "ip_link_local": Text(
        "IP 以 169.254 开头：没有从路由器取到地址",
        "The IP begins with 169.254: no address came from the router",
    ),
    "ip_not_a_host": Text(
        "IP 是网段号或广播地址，终端不能用",
        "The IP is the network’s or the broadcast address, no terminal can have it",
    ),
    "ip_is_gateway": Text("IP 与网关相同", "The IP is the gateway’s own"),
    "mask_missing": Text("没有子网掩码", "The subnet mask is missing"),
    "mask_wrong": Text("子网掩码不成立", "The subnet mask is none"),
    "gateway_missing": Text("没有网关", "The gateway is missing"),
    "gateway_outside": Text(
        "网关与终端不在同一网段", "The gateway is not in the terminal’s subnet"
    ),
    "dns_missing": Text("没有 DNS", "No DNS server is set"),
    "signal_weak": Text("信号很弱", "The signal is very weak"),
}
# What a person must correct in the settings; the others are the place's.
OF_ADDRESSES = frozenset(PROBLEMS) - {"signal_weak"}
_WEAK_DBM = -80


@dataclass
class _Block:
    """The settings of one interface at one moment. None: not named; empty: named and not set."""

    line: int = 0
    ip: str | None = None
    mask: str | None = None
    gateway: str | None = None
    dns: list[str] = field(default_factory=list)
    is_dns_empty: bool = False

    @property
    def size(self) -> int:
        facts = [self.ip, self.mask, self.gateway, self.dns or self.is_dns_empty or None]
        return sum(fact is not None for fact in facts)

    def problems(self) -> list[str]:
        """Ids of `PROBLEMS`, the gravest first."""
        found = [self._of_ip(), self._of_mask(), self._of_gateway()]
        if self.is_dns_empty and not self.dns:
            found.append("dns_missing")
        return [name for name in found if name]

    @property
    def network(self) -> ipaddress.IPv4Network | None:
        """The subnet, where address and mask give one."""
        if not self.ip or not self.mask:
            return None
        try:
            return ipaddress.IPv4Network(f"{self.ip}/{self.mask}", strict=False)
        except ValueError:
            return None

    @property
    def is_gateway_inside(self) -> bool | None:
        """None where it cannot be said."""
        if self.network is None or not self.gateway:
            return None
        return ipaddress.IPv4Address(self.gateway) in self.network

    def _of_ip(self) -> str:
        if self.ip is None:
            return ""
        if not self.ip:
            return "ip_missing"
        if ipaddress.IPv4Address(self.ip).is_link_local:
            return "ip_link_local"
        if self.ip == self.gateway:
            return "ip_is_gateway"
        network = self.network
        ends = (network.network_address, network.broadcast_address) if network else ()
        is_end = ipaddress.IPv4Address(self.ip) in ends
        return "ip_not_a_host" if is_end and network and network.prefixlen < 31 else ""

    def _of_mask(self) -> str:
        if self.mask is None:
            return ""
        if not self.mask:
            return "mask_missing"
        return "mask_wrong" if self.ip and self.network is None else ""

    def _of_gateway(self) -> str:
        if self.gateway is None:
            return ""
        if not self.gateway:
            return "gateway_missing"
        return "gateway_outside" if self.is_gateway_inside is False else ""


class Addresses:
    """Collects the facts line by line and judges them at the end."""

    def __init__(self) -> None:
        self._block = _Block()
        self._best = _Block()
        self._signal: int | None = None

    def read(self, line: str, number: int) -> None:
        """`line` in lower case and half width."""
        for match in _FACT.finditer(line):
            kind = next(name for name in _LABELS if match[name] is not None)
            if kind == "ip" and _FOREIGN.search(line, max(0, match.start() - 24), match.start()):
                continue
            if match["nothing"] is not None:
                if ":" in match["link"] or "=" in match["link"]:
                    self._keep(kind, "", number)
                continue
            value = match["value"].partition("/")[0]
            self._keep(kind, value, number)
            if match["prefix"] and kind == "ip" and int(match["prefix"]) <= 32:
                network = ipaddress.IPv4Network(f"0.0.0.0/{match['prefix']}")
                self._keep("mask", str(network.netmask), number)
            if kind == "dns":
                self._further_dns(line, match.end(), number)
        for signal in _SIGNAL.finditer(line):
            self._weigh(int(signal[1] or signal[2]))

    def set_ip(self, value: str, number: int) -> None:
        """An address that a device named as its own."""
        self._keep("ip", value, number)

    @property
    def found(self) -> dict[str, Any]:
        """The facts as plain data; only what is known has a key, problems may be none."""
        block = max((self._best, self._block), key=lambda b: (len(b.problems()), b.size))
        facts: dict[str, Any] = {
            name: value
            for name in ("ip", "mask", "gateway")
            if (value := getattr(block, name)) is not None
        }
        if block.dns or block.is_dns_empty:
            facts["dns"] = block.dns
        if block.is_gateway_inside is not None:
            facts["same_subnet"] = block.is_gateway_inside
        problems = block.problems()
        if self._signal is not None:
            facts["signal_dbm"] = self._signal
            problems += ["signal_weak"] if self._signal <= _WEAK_DBM else []
        if facts:
            facts["problems"] = [
                {"id": name, "text_zh": PROBLEMS[name].zh, "text_en": PROBLEMS[name].en}
                for name in problems
            ]
        return facts

    def _further_dns(self, line: str, at: int, number: int) -> None:
        for _ in range(_MOST_DNS):
            match = _NEXT.match(line, at)
            if match is None:
                return
            self._keep("dns", match[1], number)
            at = match.end()

    def _keep(self, kind: str, value: str, number: int) -> None:
        address = _address(value)
        if address is None:
            return
        block = self._block
        if number - block.line > _TOGETHER and block.size:
            if (len(block.problems()), block.size) > (len(self._best.problems()), self._best.size):
                self._best = block
            block = self._block = _Block()
        block.line = number
        if kind != "dns":
            # An unset field of a menu follows one that is set: the set one stays.
            setattr(block, kind, address or getattr(block, kind) or "")
        elif not address:
            block.is_dns_empty = True
        elif address not in block.dns and len(block.dns) < _MOST_DNS:
            block.dns.append(address)

    def _weigh(self, signal: int) -> None:
        if -130 <= signal <= -20:
            self._signal = signal if self._signal is None else min(self._signal, signal)


def _address(value: str) -> str | None:
    """The address as it is kept: empty for none and for 0.0.0.0, None for no address at all."""
    if not value:
        return ""
    try:
        # Menus write 192.168.001.005.
        address = ipaddress.IPv4Address(".".join(str(int(part)) for part in value.split(".")))
    except ValueError:
        return None
    if address.is_loopback:
        return None
    return "" if address == ipaddress.IPv4Address(0) else str(address)
