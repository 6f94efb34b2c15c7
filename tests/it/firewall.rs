//! The printed rules as texts: those for Windows, which no test here can apply, against files that were read by people; and
//! what is refused. The others are applied by real firewalls in `tests/real/isolation`.

use crate::support::gate::binary;

/// The status, what was printed, and what was complained of.
fn firewall(config: &str, words: &[&str]) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mailwarden.toml");
    std::fs::write(&file, config).unwrap();
    let output = binary().arg("firewall").args(words).arg("--config").arg(&file).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn print(words: &[&str]) -> String {
    let (status, text, error) = firewall("", words);
    assert_eq!(status, 0, "{error}");
    text
}

#[test]
fn the_rules_for_windows_are_these() {
    let exceptions = ["--allow-smtp-from", "10.0.0.0/8", "--allow-smtp-from", "fd00::/8"];
    for (backend, expected) in
        [("netsh", include_str!("firewall/netsh.txt")), ("powershell", include_str!("firewall/powershell.txt"))]
    {
        let text = [
            print(&["print", "--backend", backend]),
            print(&[&["print", "--backend", backend][..], &exceptions].concat()),
            print(&["undo", "--backend", backend]),
        ];
        assert_eq!(text.concat().replace("\r\n", "\n"), expected, "{backend}");
        assert!(text.iter().all(|text| text.matches("\r\n").count() == text.matches('\n').count()), "{backend}");
    }
}

#[test]
fn the_ports_are_those_of_the_configuration() {
    let config = "upstream.url = \"http://127.0.0.1:2080\"\n";
    let (_, text, _) = firewall(config, &["print", "--backend", "nftables", "--smtp-port", "2025"]);
    assert!(text.contains("tcp dport { 2025, 2080 } drop"), "{text}");
    let (_, text, _) = firewall(config, &["print", "--backend", "nftables", "--allow-gate-from", "172.31.0.7/24"]);
    assert!(text.contains("ip saddr 172.31.0.0/24 tcp dport 2080 accept"), "{text}");
}

/// Local programs can be left to send mail where loopback is closed by user.
#[test]
fn loopback_can_stay_open_for_mail() {
    let words = ["print", "--backend", "nftables", "--local-users", "--allow-user", "998"];
    assert!(print(&words).contains("oifname \"lo\" tcp dport { 1025, 1080 } meta skuid != { 0, 998 } reject"));
    let text = print(&[&words[..], &["--allow-smtp-from", "127.0.0.0/8"]].concat());
    assert!(text.contains("oifname \"lo\" tcp dport 1080 meta skuid != { 0, 998 } reject"), "{text}");
}

/// Whoever takes the rules back need not remember how they were made.
#[test]
fn undo_asks_for_no_options() {
    for backend in ["nftables", "iptables", "ufw", "firewalld", "docker-user", "netsh", "powershell"] {
        let plain = print(&["undo", "--backend", backend]);
        let (status, text, error) =
            firewall("", &["undo", "--backend", backend, "--local-users", "--allow-user", "nobody-of-that-name"]);
        assert_eq!((status, text, error.as_str()), (0, plain, ""), "{backend}");
    }
}

/// In a pipe nobody reads the rules; what they cannot do is said beside it.
#[test]
fn rules_for_a_catcher_elsewhere_are_printed_with_a_note() {
    let words = ["print", "--backend", "nftables"];
    let (status, text, error) = firewall("upstream.url = \"http://192.0.2.7:2080\"\n", &words);
    assert!(status == 0 && text.contains("2080") && error.contains("192.0.2.7:2080, not on this machine"), "{error}");
    assert_eq!(firewall("", &words).2, "");
}

#[test]
fn what_cannot_be_had_is_refused() {
    let gate_on_1080 = "listen = [\"192.0.2.1:1080\"]\n";
    for (config, words, why) in [
        (gate_on_1080, &["print", "--backend", "nftables"][..], "the gate listens on 192.0.2.1:1080"),
        ("", &["print", "--backend", "netsh", "--local-users", "--allow-user", "1"], "does not filter loopback"),
        (
            "",
            &["print", "--backend", "nftables", "--local-users", "--allow-user", "nobody-of-that-name"],
            "--allow-user",
        ),
        ("", &["print", "--backend", "pf"], "pf"),
        ("", &["check", "--backend", "netsh"], "only be seen there"),
        ("", &["print", "--backend", "docker-user", "--outer-interface", "eth0; id"], "no name of an interface"),
    ] {
        let (status, text, error) = firewall(config, words);
        assert_eq!((status, text.as_str()), (2, ""), "{words:?}: {error}");
        assert!(error.contains(why), "{words:?}: {error}");
    }
    assert_eq!(firewall("nonsense = 1\n", &["print", "--backend", "nftables"]).0, 78);
}
