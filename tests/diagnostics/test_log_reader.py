"""What a log says: each kind of fact on plain examples, and what is not one."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from diagnostics.codes import CodeEntry, bundled
from diagnostics.flow import Text
from diagnostics.log_reader import Findings, read
from diagnostics.log_reader.addresses import PROBLEMS
from diagnostics.log_reader.conclusions import _CHECKS_OF_ENTRY, _SIGNS
from diagnostics.log_reader.events import KINDS

DATA = Path(__file__).parents[2] / "diagnostics" / "data"

LOG = """2026-11-20 10:21:33.120 I/Net: IP地址: 192.168.001.005
2026-11-20 10:21:33.121 I/Net: 子网掩码: 255.255.255.0
2026-11-20 10:21:33.121 I/Net: 网关: 192.168.2.1
2026-11-20 10:21:33.121 I/Net: DNS1: 0.0.0.0
2026-11-20 10:21:34.121 E/Net: connect to host 10.2.3.4:8443 timed out after 30s
2026-11-20 10:22:34.121 E/Net: connect to host 10.2.3.4:8443 timed out after 30s
2026-11-20 10:23:34.121 E/Net: connect to host 10.2.3.4:8443 timed out after 30s
2026-11-20 10:24:34.121 E/Net: connect to host 10.2.3.4:8443 timed out after 30s
2026-11-20 10:25:34.121 E/Net: connect to host 10.2.3.4:8443 timed out after 30s
2026-11-20 10:26:34.121 E/Trans: 签到失败 应答码: 77 card 6222021234567890 cvv 123
2026-11-20 10:26:35 App version: 3.2.1-rc1 Firmware: A930_PayDroid_7.1.1_V01
2026-11-20 10:26:36 javax.net.ssl.SSLHandshakeException: certificate expired
"""


def codes(found: Findings) -> list[tuple[str, str, int]]:
    return [(seen.scheme, seen.code, seen.line) for seen in found.codes]


def texts(found: Findings) -> set[str]:
    return {seen.code for seen in found.texts}


def problems(found: Findings) -> set[str]:
    return {problem["id"] for problem in found.network.get("problems", ())}


def failures(found: Findings) -> dict[str, int]:
    return dict(found.network.get("failures", {}))


# --- The whole --------------------------------------------------------------------------


def test_a_log_in_the_shape_of_the_command():
    shown = read(LOG).as_read_log("en")
    assert list(shown) == [
        "codes", "texts", "network", "versions", "times", "masked", "symptoms",
    ]  # fmt: skip
    assert shown["codes"] == [
        {
            "scheme": "unionpay_pos",
            "code": "77",
            "meaning_zh": "终端批次号与中心不一致",
            "meaning_en": "Batch number differs from host",
            "at": "2026-11-20T10:26:34",
            "line": 10,
        }
    ]
    assert shown["versions"] == {"app": "3.2.1-rc1", "firmware": "A930_PayDroid_7.1.1_V01"}
    assert shown["times"] == {"first": "2026-11-20T10:21:33", "last": "2026-11-20T10:26:36"}
    assert shown["masked"] == {"pan": 1, "track": 0, "cvv": 1, "pin": 0}
    assert [symptom["id"] for symptom in shown["symptoms"]] == ["cannot_sign_in", "network_down"]
    assert "line 10" in shown["symptoms"][0]["why"]


def test_evidence_symptoms_time_line_and_patterns():
    found = read(LOG)
    assert set(found.evidence) == {"bad_ip", "code_batch", "tls_text"}
    assert [(one.id, one.count, one.line, one.last_line) for one in found.timeline][:3] == [
        ("timeout", 5, 5, 9), ("sign_in", 1, 10, 10), ("77", 1, 10, 10),
    ]  # fmt: skip
    (pattern,) = found.patterns
    assert pattern.shape == "E/Net: connect to host #.#.#.#:# timed out after #"
    assert (pattern.count, pattern.line, pattern.last_line) == (5, 5, 9)
    assert (pattern.at, pattern.last_at) == ("2026-11-20T10:21:34", "2026-11-20T10:25:34")
    assert found.lines == 12
    assert not found.stop_use


def test_the_why_is_in_both_languages():
    found = read("2026-11-20 10:21:00 签到失败 应答码 77\n")
    assert "第 1 行" in found.as_read_log("zh")["symptoms"][0]["why"]
    assert "line 1" in found.as_read_log("en")["symptoms"][0]["why"]


def test_an_ordinary_quiet_log_says_nothing():
    log = "2026-11-20 10:21:33 I/App: idle, tamper status: OK, connect timeout=30, error: 0\n" * 9
    found = read(log)
    assert (found.codes, found.texts, found.symptoms, found.evidence) == ((), (), (), ())
    assert found.network == {}
    assert not found.stop_use


# --- Codes and texts --------------------------------------------------------------------

CODES = [
    ("resp code=96 bad", ("unionpay_pos", "96")),
    ('{"responseCode": "A0"}', ("unionpay_pos", "A0")),
    ("应答码：９８", ("unionpay_pos", "98")),
    ("39域: AO", ("unionpay_pos", "A0")),
    ("交易失败，返回 51", ("unionpay_pos", "51")),
    ("error code: A158", ("acquirer_internal_example", "A158")),
    ("ErrorCondition=UnreachableHost", ("nexo_error_condition", "UnreachableHost")),
    ("打印机状态: 505", ("sunmi_printer", "505")),
]


@pytest.mark.parametrize(("line", "code"), CODES)
def test_a_code_behind_a_label(line: str, code: tuple[str, str]):
    found = read("first line of the log, and it is a long one\n" * 9 + line)
    assert codes(found) == [(*code, 10)]


@pytest.mark.parametrize(
    "line",
    [
        "操作员号: 01",
        "终端号 12345696",
        "2026-11-20 10:51:54",
        "金额: 77.00",
        "exit with status 3",
        "error in module 05 of thread 51",
        "HTTP code 404",
        "retcode=0",
    ],
)
def test_other_numbers_are_no_codes(line: str):
    assert codes(read("a log with lines that mean nothing at all to anybody\n" * 9 + line)) == []


def test_what_was_typed_from_a_screen_may_be_a_bare_code():
    assert codes(read("77")) == [("unionpay_pos", "77", 1)]
    assert codes(read("签到失败 77")) == [("unionpay_pos", "77", 1)]


def test_the_owner_of_a_code_is_the_one_that_the_log_names():
    line = "terminal response code: A3 rejected\n"
    assert codes(read(line * 9))[0][:2] == ("unionpay_pos", "A3")
    assert codes(read("Rapyd SDK 2.1 started up on this terminal\n" * 6 + line))[0][:2] == (
        "rapyd", "A3",
    )  # fmt: skip


def test_a_code_that_no_table_has_is_told_as_such():
    (seen,) = read("a longer log of some lines\n" * 9 + "应答码: 8Z").codes
    assert (seen.scheme, seen.code, seen.line) == ("unknown", "8Z", 10)


def test_a_providers_own_codes_count():
    meaning, action = Text("缺少授权", "Not licensed"), Text("联系", "Call")
    own = CodeEntry("own", "ZX", Text("自己", "Own"), meaning, action, action, on_screen="ZX")
    found = read("rspcode: ZX", bundled().with_own([own]))
    assert codes(found) == [("own", "ZX", 1)]


def test_many_of_one_code_are_bounded():
    found = read("2026-11-20 10:21:33 rsp code=00 ok\n" * 500 + "rsp code=96\n")
    assert len([seen for seen in found.codes if seen.code == "00"]) == 20
    assert found.codes[-1].code == "96"
    assert found.codes[-1].line == 501


@pytest.mark.parametrize(
    ("line", "code", "check"),
    [
        ("屏幕：主 密 钥 不 存 在", "tmk_missing", "text_key_missing"),
        ("通讯超时，请重试", "comm_timeout", "text_comm"),
        ("Batch Full, Settle Batch", "batch_full", "batch_full_text"),
        ("PRN_STATUS_NOPAPER", "prn_no_paper", "paper_out"),
        ("请插入SIM卡", "sim_missing", "sim_missing_text"),
    ],
)
def test_texts_of_the_screen(line: str, code: str, check: str):
    found = read("some words before it\n" * 12 + line)
    assert code in texts(found)
    assert check in found.evidence


def test_a_tamper_text_stops_use_but_is_no_answer_of_its_own():
    found = read("2026-11-20 10:00:00 PED Tampered\n")
    assert found.stop_use
    assert found.symptoms[0].id == "tamper_locked"
    # Somebody has to look: a line of a log must not stop a terminal by itself.
    assert "tamper_text" not in found.evidence


@pytest.mark.parametrize(
    "line",
    ["tamper status: OK", "tamper=0", "no tamper detected", "checking tamper switch", "未触发自毁"],
)
def test_no_alarm_where_the_log_says_there_is_none(line: str):
    assert not read(f"{line}\n" * 12).stop_use


# --- Moments ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "moment"),
    [
        ("2026-11-20 10:21:33.120 x", "2026-11-20T10:21:33"),
        ("[2026-11-20T10:21:33,120+08:00] x", "2026-11-20T10:21:33+08:00"),
        ("2026-11-20T02:21:33Z x", "2026-11-20T02:21:33+00:00"),
        ("2026/11/20 10:21 x", "2026-11-20T10:21:00"),
        ("日期/时间: 2026/11/20 10:21:33", "2026-11-20T10:21:33"),
        ("2026年11月20日 10时21分33秒", "2026-11-20T10:21:33"),
        ("2026年11月20日10:21", "2026-11-20T10:21:00"),
        ("20261120102133 x", "2026-11-20T10:21:33"),
        ("20261120 10:21:33 x", "2026-11-20T10:21:33"),
        ("[20/Nov/2026:10:21:33 +0800] x", "2026-11-20T10:21:33+08:00"),
        ("Nov 20 10:21:33 pos x", "11-20T10:21:33"),
        ("Nov 20, 2026 10:21:33 x", "2026-11-20T10:21:33"),
        ("20/11/2026 10:21 x", "2026-11-20T10:21:00"),
        ("11-20 10:21:33.120  812  815 E x", "11-20T10:21:33"),
        ("１１月２０日 10:21 x", "11-20T10:21:00"),
        ("ts=1795141293 x", "2026-11-20T02:21:33+00:00"),
        ('{"timestamp":1795141293120}', "2026-11-20T02:21:33+00:00"),
        ("10:21:33 x", "10:21:33"),
        ("交易日期 2026-11-20", "2026-11-20"),
    ],
)
def test_moments_in_many_forms(line: str, moment: str):
    assert read(f"{line}\n").times == (moment, moment)


@pytest.mark.parametrize(
    "line",
    [
        "25:61:00",
        "2026-13-40",
        "192.168.10.20:80",
        "1.2.3",
        "v2026.1",
        "aa:11:22:33:44:55",
    ],
)
def test_what_is_no_moment(line: str):
    assert read(f"{line} x\n").times is None


def test_first_and_last_whatever_the_order_and_the_best_known_count():
    log = "2026-11-20 12:00:00 a\n2026-11-20 10:00:00 b\n09:00:00 c\n2026-11-19 11:00:00 d\n"
    assert read(log).times == ("2026-11-19T11:00:00", "2026-11-20T12:00:00")


def test_a_moment_speaks_for_the_lines_below_it():
    found = read("2026-11-20 10:00:00 sale\nRESP CODE: 96\n" + "x\n" * 20 + "RESP CODE: 91\n")
    assert [seen.at for seen in found.codes] == ["2026-11-20T10:00:00", ""]


def test_a_year_long_gone_is_a_wrong_clock():
    found = read("2000-01-01 00:00:12 boot\n")
    assert "clock_wrong" in found.evidence


# --- Network ----------------------------------------------------------------------------


NOTHING = "0.0.0.0"  # noqa: S104 - what an unset menu shows


def settings(ip: str, mask: str, gateway: str, dns: str = "8.8.8.8") -> str:
    return f"IP address: {ip}\nSubnet mask: {mask}\nDefault gateway: {gateway}\nDNS: {dns}\n"


def test_good_settings_have_no_problem():
    found = read(settings("192.168.1.5", "255.255.255.0", "192.168.1.1"))
    assert found.network == {
        "ip": "192.168.1.5", "mask": "255.255.255.0", "gateway": "192.168.1.1",
        "dns": ["8.8.8.8"], "same_subnet": True, "problems": [],
    }  # fmt: skip
    assert found.evidence == ()


@pytest.mark.parametrize(
    ("log", "problem"),
    [
        (settings("192.168.1.5", "255.255.255.0", "192.168.2.1"), "gateway_outside"),
        (settings("192.168.1.200", "255.255.255.128", "192.168.1.1"), "gateway_outside"),
        (settings("169.254.3.4", "255.255.0.0", "169.254.0.1"), "ip_link_local"),
        (settings(*[NOTHING] * 4), "ip_missing"),
        (settings("192.168.1.1", "255.255.255.0", "192.168.1.1"), "ip_is_gateway"),
        (settings("192.168.1.255", "255.255.255.0", "192.168.1.1"), "ip_not_a_host"),
        (settings("192.168.1.5", "255.0.255.0", "192.168.1.1"), "mask_wrong"),
        (settings("192.168.1.5", "255.255.255.0", "--"), "gateway_missing"),
        (settings("192.168.1.5", "255.255.255.0", "192.168.1.1", ""), "dns_missing"),
        (settings("192.168.1.5", "255.255.255.0", "192.168.1.1", "未设置"), "dns_missing"),
    ],
)
def test_settings_that_do_not_fit(log: str, problem: str):
    found = read(log)
    assert problem in problems(found)
    assert "bad_ip" in found.evidence
    assert found.symptoms[0].id == "network_down"


def test_addresses_as_they_are_typed_from_a_photo():
    found = read("1P：１９２.168.001.005\n子网掩码 255.255.255.000\n网关 192.168.001.001")
    assert found.network["ip"] == "192.168.1.5"
    assert found.network["same_subnet"] is True


def test_linux_words_for_the_same():
    found = read("inet 10.0.0.5/8 scope global\ndefault via 10.9.9.1 dev eth0\nnameserver 1.1.1.1")
    assert (found.network["mask"], found.network["same_subnet"]) == ("255.0.0.0", True)
    assert found.network["dns"] == ["1.1.1.1"]


def test_addresses_of_the_other_side_and_of_another_hour_do_not_mix():
    log = settings("192.168.1.5", "255.255.255.0", "192.168.1.1") + "idle\n" * 40
    found = read(log + "server ip: 47.1.2.3\n" + "idle\n" * 40 + "local ip: 10.7.7.7\n")
    assert problems(found) == set()


def test_a_weak_signal_is_told():
    found = read("wlan0 rssi=-61\nwlan0 rssi=-84\nwlan0 rssi=-70\n")
    assert found.network["signal_dbm"] == -84
    assert problems(found) == {"signal_weak"}
    assert "bad_ip" not in found.evidence


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('java.net.UnknownHostException: Unable to resolve host "a.example"', "dns"),
        ("域名解析失败", "dns"),
        ("SSLHandshakeException: Trust anchor not found", "tls"),
        ("证书已过期", "tls"),
        ("java.net.SocketTimeoutException", "timeout"),
        ("接收中心应答超时", "timeout"),
        ("ECONNREFUSED 10.0.0.1:443", "refused"),
        ("connect failed: ENETUNREACH (Network is unreachable)", "unreachable"),
        ("Connection reset by peer", "reset"),
        ("DHCP timed out", "dhcp"),
        ("+CME ERROR: 10", "sim"),
        ("captive portal detected", "portal"),
        ("wlan0: CTRL-EVENT-DISCONNECTED reason=3", "wifi"),
    ],
)
def test_failures_on_the_way_to_the_host(line: str, kind: str):
    found = read(f"{line}\n")
    assert failures(found).get(kind) == 1


@pytest.mark.parametrize(
    "line",
    ["connect timeout=30", "超时时间: 60秒", "setTimeout(5000)", "ssl error: 0", "tls handshake ok",
     "connection failed: false"],
)  # fmt: skip
def test_settings_and_successes_are_no_failures(line: str):
    assert failures(read(f"{line}\n")) == {}


def test_only_a_silent_way_is_a_failure_of_the_way_alone():
    assert "text_comm" in read("通讯超时\n").evidence
    assert "text_comm" not in read("通讯超时\n应答码 96\n").evidence


# --- Versions, device reports -----------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "versions"),
    [
        ("固件版本：V2.10.3", {"firmware": "2.10.3"}),
        ("versionName=8.1.0-beta", {"app": "8.1.0-beta"}),
        ("应用版本号: 300012", {"app": "300012"}),
        ("Android version 7.1.2", {"os": "7.1.2"}),
        ("参数版本: P20261101", {"parameters": "P20261101"}),
        ("firmware: unknown", {}),
        ("app version: 2026-11-20", {}),
    ],
)
def test_versions(line: str, versions: dict[str, str]):
    assert dict(read(f"{line}\n").versions) == versions


def test_a_new_version_in_the_middle_is_told():
    found = read("app version: 1.2.0\nidle\napp version: 1.3.0\n")
    assert dict(found.versions) == {"app": "1.3.0"}
    assert "recent_change" in found.evidence
    assert found.timeline[0].text.en == "Version changed: 1.2.0 → 1.3.0"


def report(status: dict[str, Any], more: str = "", *, reachable: bool = True) -> str:
    return json.dumps({"SaleToPOIResponse": {"DiagnosisResponse": {
        "HostStatus": [{"AcquirerID": "0", "IsReachableFlag": reachable}],
        "POIStatus": status,
        "Response": {"Result": "Success", "AdditionalResponse": more},
    }}})  # fmt: skip


def test_a_diagnosis_of_the_terminal_itself():
    profile = "WyB7ICJBZGRyZXNzIjogIjE5Mi4xNjguMi4yIiwgIklmYWNlIjogIndsYW4wIiB9IF0%3d"
    found = read(report(
        {"GlobalStatus": "OK", "CommunicationOKFlag": True, "PrinterStatus": "NoPaper"},
        f"batteryLevel=15%25&firmwareVersion=adyen_v1_49p5&networkProfile={profile}"
        "&unconfirmedBatchCount=3&terminalId=V400m-346403161",
        reachable=False,
    ))  # fmt: skip
    assert dict(found.versions) == {"firmware": "adyen_v1_49p5"}
    assert found.network["ip"] == "192.168.2.2"
    assert dict(found.device) == {
        "battery_percent": 15, "unconfirmed_batch_count": 3,
        "signs": ["host", "no_paper", "battery", "batch"],
    }  # fmt: skip
    assert {"host_unreachable", "paper_out", "open_batch"} <= set(found.evidence)


@pytest.mark.parametrize(
    ("status", "check"),
    [
        ({"CommunicationOKFlag": False}, "text_comm"),
        ({"CardReaderOKFlag": False}, "reader_selftest_fail"),
        ({"PrinterStatus": "PaperJam"}, "paper_jam"),
    ],
)
def test_flags_of_a_diagnosis(status: dict[str, Any], check: str):
    assert check in read(report(status)).evidence


def test_broken_security_in_a_diagnosis_stops_use():
    found = read(report({"SecurityOKFlag": False}))
    assert found.stop_use
    assert found.symptoms[0].id == "tamper_locked"


def test_a_good_diagnosis_says_nothing_bad():
    found = read(report({"GlobalStatus": "OK", "CommunicationOKFlag": True}, "batteryLevel=90%25"))
    assert found.symptoms == ()
    assert dict(found.device) == {"battery_percent": 90}


def test_other_json_is_read_line_by_line():
    found = read('[{"time": "2026-11-20 10:00:00", "respCode": "96", "gateway": "10.0.0.1"}]')
    assert codes(found) == [("unionpay_pos", "96", 1)]
    assert found.network["gateway"] == "10.0.0.1"


# --- The tables fit each other ----------------------------------------------------------


def test_every_check_and_symptom_named_is_one_of_the_fault_trees():
    document = yaml.safe_load((DATA / "fault_trees.yaml").read_text(encoding="utf-8"))
    known = {check["id"] for check in document["checks"]}
    symptoms = {symptom["id"] for symptom in document["symptoms"]}
    named = {check for kind in KINDS for check in kind.checks}
    named |= {check for sign in _SIGNS.values() for check in sign.checks}
    named |= {check for checks in _CHECKS_OF_ENTRY.values() for check in checks}
    assert named | {"bad_ip", "clock_wrong", "recent_change"} <= known
    assert {kind.symptom for kind in KINDS} <= symptoms
    assert {sign.symptom for sign in _SIGNS.values()} <= symptoms


def test_every_entry_with_further_checks_is_in_the_catalogue():
    assert set(_CHECKS_OF_ENTRY) <= {entry.code for entry in bundled().entries}


def test_every_sentence_is_in_both_languages():
    told = [kind.text for kind in KINDS] + [sign.text for sign in _SIGNS.values()]
    for text in [*told, *PROBLEMS.values()]:
        assert text.zh
        assert text.en.isascii() or "’" in text.en
