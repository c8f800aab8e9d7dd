"""What lines of a log tell apart from codes and screen texts: failures, restarts, versions.

Patterns are read on one line in lower case and half width; each is linear in the line.
"""

import re
from dataclasses import dataclass

from diagnostics.flow import Text


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of event. `checks`: what it answers with yes; `symptom`: the flow that it speaks
    for, with `weight`; `many`: so often before it means anything.
    """

    id: str
    text: Text
    pattern: re.Pattern[str]
    unless: re.Pattern[str] | None = None
    checks: tuple[str, ...] = ()
    symptom: str = ""
    weight: int = 2
    many: int = 1
    is_link: bool = False  # the way to the host: counted among the network facts

    def tells(self, line: str) -> bool:
        """Whether the line, in lower case and half width, tells of it."""
        return bool(self.pattern.search(line)) and not (self.unless and self.unless.search(line))


def _kind(
    name: str,
    zh: str,
    en: str,
    pattern: str,
    *,
    unless: str = "",
    checks: tuple[str, ...] = (),
    symptom: str = "",
    weight: int = 2,
    many: int = 1,
    is_link: bool = False,
) -> Kind:
    return Kind(
        name,
        Text(zh, en),
        re.compile(pattern),
        re.compile(unless) if unless else None,
        checks,
        symptom,
        weight,
        many,
        is_link,
    )


# "error: 0", "failed=false": the opposite.
_NONE = r"(?:error|fail\w{0,5}|失败|错误)[\"'\s:=]{1,4}(?:0\b|none|null|false|无)"
KINDS = (
    _kind(
        "dns", "域名解析失败", "DNS look-up failed",
        r"unknown ?host|unable to resolve host|could(?: not|n.t) resolve|name or service not known"
        r"|nodename nor servname|getaddrinfo|eai_(?:again|noname|fail)|nxdomain|servfail"
        r"|temporary failure in name resolution"
        r"|\bdns\b[^\n]{0,30}(?:fail|error|time ?out|timed out|失败|错误|超时|异常)"
        r"|解析[^\n]{0,12}(?:失败|错误|超时|异常)",
        checks=("text_comm",), symptom="network_down", weight=3, is_link=True,
    ),
    _kind(
        "tls", "TLS/证书失败", "TLS or certificate failed",
        r"ssl_?handshake_?exception|ssl_?exception|certificate_(?:unknown|expired|verify_failed)"
        r"|err_cert|wrong version number|unknown ca\b"
        r"|(?:ssl|tls|certificate|x509|certpath|pkix|handshake|证书|握手)[^\n]{0,60}"
        r"(?:fail|error|expired|not yet valid|unable to get|alert|refused|exception|not trusted"
        r"|mismatch|失败|错误|过期|无效|不受信|未生效|异常)",
        unless=rf"4-?way handshake|{_NONE}",
        checks=("tls_text",), symptom="network_down", weight=3, is_link=True,
    ),
    _kind(
        "tls_date", "证书日期不符（先看终端时间）",
        "Certificate dates do not fit (look at the clock)",
        r"certificate[^\n]{0,40}(?:has expired|expired|not yet valid)"
        r"|certificate_?(?:not_?yet_?valid|expired)|证书[^\n]{0,8}(?:过期|未生效)",
        checks=("tls_text",), symptom="cannot_sign_in",
    ),
    _kind(
        "timeout", "通讯超时", "Timed out",
        r"time[d]?[ _-]?out|etimedout|超时|无应答|no response|not responding",
        unless=r"超时(?:时间|设置|时长|秒数)|通讯超时\s{0,2}[:=]\s{0,2}\d|set_?time_?out"
        r"|time[ _-]?out[\w ()-]{0,24}[\"']?\s?[=:]\s?[\"']?\d|with time[ _-]?out"
        r"|time[ _-]?out (?:set|value|is|of|after)",
        checks=("text_comm",), symptom="network_down", is_link=True,
    ),
    _kind(
        "refused", "对端拒绝连接", "Connection refused",
        r"econnrefused|connection refused|actively refused|拒绝连接|连接被拒",
        checks=("text_comm",), symptom="network_down", is_link=True,
    ),
    _kind(
        "unreachable", "主机或网络不可达", "Host or network unreachable",
        r"ehostunreach|enetunreach|no route to host|network (?:is )?unreachable"
        r"|host (?:is )?unreachable|unreachablehost|(?:主机|网络)不可达",
        checks=("text_comm",), symptom="network_down", weight=3, is_link=True,
    ),
    _kind(
        "reset", "连接中途断开", "Connection broken off",
        r"econnreset|connection (?:was )?(?:reset|aborted)|reset by peer|连接(?:被)?重置"
        r"|broken pipe|连接(?:中断|断开)",
        checks=("text_comm",), symptom="network_down", is_link=True,
    ),
    _kind(
        "connect", "连接失败", "Connect failed",
        r"connect(?:ion|ing)?\b[^\n]{0,24}\b(?:fail|error)|fail(?:ed)? to connect"
        r"|连接[^\n]{0,6}失败|连不上|拨号失败",
        unless=_NONE,
        checks=("text_comm",), symptom="network_down", is_link=True,
    ),
    _kind(
        "wifi", "Wi-Fi 断开或被拒", "Wi-Fi dropped or refused",
        r"deauth|disassoc|wrong_key|4-?way handshake (?:fail|time)"
        r"|ctrl-event-(?:disconnected|assoc-reject|auth-reject)"
        r"|wi-?fi[^\n]{0,20}(?:disconnected|\blost\b|断开|已断|密码错)",
        symptom="network_down", is_link=True,
    ),
    _kind(
        "dhcp", "没有取到 IP（DHCP 失败）", "No address by DHCP",
        r"dhcp[^\n]{0,30}(?:fail|time ?out|timed out|no offers|no lease|失败|超时)|no dhcpoffers",
        checks=("bad_ip",), symptom="network_down", weight=3, is_link=True,
    ),
    _kind(
        "sim", "没有识别到 SIM 卡", "SIM card not found",
        r"sim[_ ]?(?:card )?(?:absent|not (?:inserted|detected|present))|\bno sim\b"
        r"|\+cme error: ?10\b|cpin: ?not inserted|无 ?sim|未(?:插|检测到|识别) ?sim|sim ?卡未识别",
        checks=("sim_missing_text",), symptom="network_down", weight=3, is_link=True,
    ),
    _kind(
        "cell", "移动网络注册失败", "Not admitted to the mobile network",
        r"\+c(?:e|g)?reg: ?\d,3\b|(?:gprs|lte|ps|eps) attach[^\n]{0,12}(?:fail|reject)"
        r"|pdp[^\n]{0,20}(?:fail|失败)|(?:注网|附着)失败|registration denied",
        symptom="network_down", weight=3, is_link=True,
    ),
    _kind(
        "portal", "Wi-Fi 要求网页登录", "The Wi-Fi asks for a web login",
        r"captive ?portal[^\n]{0,20}(?:detect|found|true|login|required)|网页(?:认证|登录)",
        checks=("portal_wifi",), symptom="network_down", weight=3, is_link=True,
    ),
    _kind(
        "sign_in", "签到失败", "Sign-in failed",
        r"签到[^\n]{0,8}(?:失败|错误|异常|超时)"
        r"|(?:sign[ -]?in|log[ -]?on)\b[^\n]{0,16}(?:fail|error|reject|refus)",
        symptom="cannot_sign_in", weight=4,
    ),
    _kind(
        "print", "打印失败", "Printing failed",
        r"打印[^\n]{0,8}(?:失败|错误|异常)|\bprint(?:er|ing)?\b[^\n]{0,16}(?:fail|error|abnormal)",
        unless=_NONE,
        symptom="cannot_print", weight=3,
    ),
    _kind(
        "paper_out", "缺纸", "Out of paper",
        r"no ?paper|out of paper|paper ?(?:out|lack)|缺纸|请装纸|请换纸",
        unless=r"no ?paper[\"'\s:=]{1,4}(?:false|0)",
        checks=("paper_out",), symptom="cannot_print", weight=4,
    ),
    _kind(
        "paper_jam", "卡纸", "Paper jam",
        r"paper[ _]?jam|(?<!银行)卡纸",
        checks=("paper_jam",), symptom="cannot_print", weight=4,
    ),
    _kind(
        "crash", "应用崩溃或停止响应", "The app crashed or hung",
        r"fatal exception|\banr in\b|force finishing|has stopped|keeps stopping|outofmemory"
        r"|sigsegv|sigabrt|fatal signal|闪退"
        r"|(?:应用|程序|app)[^\n]{0,12}(?:已停止运行|崩溃|无响应)",
        checks=("app_crash",), symptom="app_firmware", weight=3,
    ),
    _kind(
        "storage", "存储空间不足", "Storage is full",
        r"no space left|enospc|disk full|(?:存储)?空间不足",
        checks=("storage_full",), symptom="app_firmware", weight=3,
    ),
    _kind(
        "update", "下载或更新失败", "Download or update failed",
        r"(?:更新|升级|下载)[^\n]{0,8}失败|\b(?:update|upgrade|download|ota|install)\w*\b[^\n]{0,20}"
        r"\b(?:fail|error|abort)",
        unless=_NONE,
        symptom="app_firmware", weight=3,
    ),
    _kind(
        "boot", "重新启动", "Restarted",
        r"boot_completed|booting linux|linux version \d|boot ?reason|开机启动|system boot",
        checks=("boot_loop",), symptom="no_power", many=4,
    ),
    _kind(
        "battery", "电量很低", "Battery very low",
        r"battery[^\n]{0,16}\blow\b|low battery|电(?:池)?(?:电)?量(?:过|很|太)?低|电量不足|请充电",
        unless=r"low[\"'\s:=]{1,4}(?:false|0)",
        symptom="no_power",
    ),
)  # fmt: skip
BY_ID = {kind.id: kind for kind in KINDS}


def link_failure(name: str) -> Text:
    """What a key of the network's `failures` is called; the key itself for one of the past."""
    return BY_ID[name].text if name in BY_ID else Text(name, name)


# --- Versions --------------------------------------------------------------------------

_VALUE = r"[\s:=\"'\]\[(>]{1,8}+v?(?P<value>[a-z0-9][\w.+-]{1,59})"
_VERSIONS = tuple(
    (name, re.compile(rf"(?<![a-z])(?:{labels}){_VALUE}"))
    for name, labels in (
        (
            "firmware",
            (
                r"firm ?ware(?:[ _-]?ver(?:sion)?)?|fw(?:[ _-]?ver(?:sion)?)?|installedfirmware"
                r"|固件(?:版本)?(?:号)?|系统版本(?:号)?|系统软件"
            ),
        ),
        (
            "app",
            (
                r"app(?:lication)?[ _-]?ver(?:sion)?(?:[ _-]?name)?|version ?name"
                r"|(?:应用|程序|软件|app)版本(?:号)?|(?:soft ?ware|sw)[ _-]?ver(?:sion)?"
            ),
        ),
        ("os", r"android(?:[ _-]?(?:ver(?:sion)?|版本))?|os[ _-]?ver(?:sion)?|安卓版本"),
        ("parameters", r"参数版本(?:号)?|param(?:eter)?s?[ _-]?ver(?:sion)?"),
    )
)
_DATE = re.compile(r"(?:19|20)\d\d[-.]\d{1,2}[-.]\d{1,2}\Z")


def versions_in(line: str) -> list[tuple[str, int, int]]:
    """(which version, start, end of its value); the value has a digit and is no date."""
    found = []
    for name, pattern in _VERSIONS:
        match = pattern.search(line)
        if match and any(c.isdigit() for c in match["value"]) and not _DATE.match(match["value"]):
            found.append((name, *match.span("value")))
    return found
