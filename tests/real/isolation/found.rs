use super::{Namespace, Pair, SERVER};
use crate::process::Program;
use crate::support::patience::eventually;

/// What `doctor` says in this namespace: its status, and the findings by kind and severity, those of the gate itself left
/// out.
fn doctor(server: &Namespace, runner: &[&str]) -> (i32, Vec<(String, String)>, String) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("mailwarden.toml");
    std::fs::write(&config, "listen = [\"127.0.0.1:8080\"]\nstatus.listen = \"off\"\n").unwrap();
    let binary = [env!("CARGO_BIN_EXE_mailwarden"), "doctor", "--format", "json", "--config", config.to_str().unwrap()];
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let output = server.run(&[runner, &binary].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    let told = |finding: &serde_json::Value| {
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        (text("id"), text("severity"))
    };
    let of_ports = |(id, _): &(String, String)| {
        [
            "wide-bind",
            "published-port",
            "redirected-port",
            "other-namespace",
            "routed-namespace",
            "route-localnet",
            "nat-unread",
        ]
        .contains(&id.as_str())
    };
    let findings = report["findings"].as_array().unwrap().iter().map(told).filter(of_ports).collect();
    (output.status.code().unwrap(), findings, text)
}

fn finding(id: &str, severity: &str) -> (String, String) {
    (id.to_owned(), severity.to_owned())
}

#[test]
fn each_binding_is_found_with_its_process() {
    let Pair { server, laptop: _laptop } = Pair::start();
    for (address, is_found) in [
        ("127.0.0.1:1080", false),
        ("[::1]:1025", false),
        ("[::ffff:127.0.0.1]:1080", false),
        ("0.0.0.0:1080", true),
        ("0.0.0.0:1025", true),
        ("[::]:1080", true),
        ("only[::]:1025", true),
        ("10.9.0.1:1080", true),
        ("[fd00:9::1]:1025", true),
        ("[::ffff:10.9.0.1]:1080", true),
        // What programs in Go listen with, where the kernel has it.
        ("mptcp0.0.0.0:1080", true),
    ] {
        let _listener = server.listen(&[address]);
        let (status, findings, text) = doctor(&server, &[]);
        let expected = if is_found { vec![finding("wide-bind", "exposed")] } else { vec![] };
        assert_eq!((status, &findings), (i32::from(is_found), &expected), "{address}: {text}");
        assert_eq!(text.contains("listen.py (process "), is_found, "{address}: {text}");
    }
}

/// Sent to 127.0.0.1 by a neighbour who writes that into his packets.
#[test]
fn loopback_that_a_neighbour_reaches_is_exposed() {
    let Pair { server, laptop } = Pair::start();
    let _listener = server.listen(&["127.0.0.1:1080"]);
    let mac = server
        .script("cat /sys/class/net/eth0/address || ip -oneline link show eth0 | sed 's/.*ether \\([^ ]*\\) .*/\\1/'");
    laptop.script(&format!(
        "sysctl -qw net.ipv4.conf.eth0.route_localnet=1; ip neigh replace 10.9.0.77 lladdr {} dev eth0; \
         nft 'add table ip x; add chain ip x out {{ type filter hook output priority -400; }}; \
         add chain ip x in {{ type filter hook prerouting priority -400; }}; \
         add rule ip x out ip daddr 10.9.0.77 ip daddr set 127.0.0.1; add rule ip x in iifname eth0 ip saddr 127.0.0.1 ip saddr set 10.9.0.77'",
        mac.lines().last().unwrap()
    ));
    assert!(!laptop.reaches(None, "10.9.0.77", 1080));
    assert_eq!(doctor(&server, &[]).1, []);
    server.script("sysctl -qw net.ipv4.conf.eth0.route_localnet=1");
    assert!(laptop.reaches(None, "10.9.0.77", 1080));
    let (status, findings, text) = doctor(&server, &[]);
    assert_eq!((status, findings), (1, vec![finding("route-localnet", "exposed")]), "{text}");
    // The printed rules close that as well.
    let rules = server.mailwarden(&["firewall", "print", "--backend", "nftables"]).1;
    server.script(&format!("nft -f - <<'END'\n{rules}END"));
    assert!(!laptop.reaches(None, "10.9.0.77", 1080));
    assert_eq!(doctor(&server, &[]).1, [finding("route-localnet", "info")]);
}

/// By rules in nftables' own words, as engines write them: each leads to the catcher, and each is told.
#[test]
fn ports_that_nft_hands_on_are_found_or_said_not_to_be_understood() {
    let Pair { server, laptop } = Pair::start();
    let _listener = server.listen(&["10.9.0.1:1080"]);
    let wide = finding("wide-bind", "exposed");
    for (rule, expected) in [
        ("tcp dport 8081 redirect to :1080", finding("redirected-port", "exposed")),
        ("tcp dport { 8081, 8082 } redirect to :1080", finding("redirected-port", "exposed")),
        ("tcp dport != 22 redirect to :1080", finding("nat-unread", "warning")),
        ("tcp dport @ports redirect to :1080", finding("nat-unread", "warning")),
        ("meta l4proto tcp redirect to :tcp dport map { 8081 : 1080, 8082 : 1080 }", finding("nat-unread", "warning")),
    ] {
        server.script(&format!(
            "nft 'table ip x {{ set ports {{ type inet_service; elements = {{ 8081 }}; }}; chain c {{ type nat hook prerouting priority dstnat; {rule}; }}; }}'"
        ));
        assert!(laptop.reaches(None, SERVER, 8081), "{rule}");
        let (status, findings, text) = doctor(&server, &[]);
        assert!(status == 1 && findings.contains(&wide) && findings.contains(&expected), "{rule}: {text}");
        server.script("nft delete table ip x");
    }
}

#[test]
fn without_root_it_says_what_it_could_not_see() {
    let Pair { server, laptop: _laptop } = Pair::start();
    let _listener = server.listen(&["0.0.0.0:1080"]);
    let (status, findings, text) = doctor(&server, &["setpriv", "--reuid=4321", "--regid=4321", "--clear-groups"]);
    assert_eq!((status, findings), (0, vec![finding("wide-bind", "warning")]), "{text}");
    assert!(text.contains("root sees which") && text.contains("run it with sudo"), "{text}");
}

/// A policy of somebody else's may close it or not.
#[test]
fn rules_of_somebody_else_are_not_judged() {
    let Pair { server, laptop: _laptop } = Pair::start();
    let _listener = server.listen(&["0.0.0.0:1080"]);
    server.script("nft 'add table inet x; add chain inet x in { type filter hook input priority 0; policy drop; }'");
    let (status, findings, text) = doctor(&server, &[]);
    assert_eq!((status, findings), (0, vec![finding("wide-bind", "warning")]), "{text}");
}

#[test]
fn what_listens_in_another_namespace_is_told_and_no_exposure() {
    let Pair { server, laptop: _laptop } = Pair::start();
    let script = super::file("listen.py");
    let mut inner =
        Program::start(&mut server.command(&["unshare", "--net", "python3", script.to_str().unwrap(), "0.0.0.0:1080"]));
    assert!(inner.line("ready").is_some());
    let (status, findings, text) = doctor(&server, &[]);
    assert_eq!((status, findings), (0, vec![finding("other-namespace", "info")]), "{text}");
}

/// A container with an address in the machine's own network: no port is published, and everybody there reaches it.
#[test]
fn a_namespace_that_the_network_reaches_directly_is_exposed() {
    let Pair { server, laptop } = Pair::start();
    server.script("ip route add default via 10.9.0.2");
    let script = super::file("listen.py");
    let run = "ip addr add 10.9.0.3/24 dev mv0; ip link set mv0 up; exec python3 \"$0\" 0.0.0.0:1080";
    server.script("ip link add mv0 link eth0 type macvlan mode bridge");
    let wait = format!(
        "echo pid: $$; until [ -e /sys/class/net/mv0 ] || ip link show mv0 >/dev/null 2>&1; do sleep 0.05; done; {run}"
    );
    let mut inner =
        Program::start(&mut server.command(&["unshare", "--net", "bash", "-c", &wait, script.to_str().unwrap()]));
    let pid = inner.line("pid:").unwrap();
    server.script(&format!("ip link set mv0 netns {pid}"));
    assert!(inner.line("ready").is_some());
    eventually("the laptop to reach it", || laptop.reaches(None, "10.9.0.3", 1080).then_some(()));
    let (status, findings, text) = doctor(&server, &[]);
    assert_eq!((status, findings), (1, vec![finding("routed-namespace", "exposed")]), "{text}");
    assert!(text.contains("10.9.0.3 is in a network of this machine's"), "{text}");
}

#[test]
fn published_ports_are_found_by_the_engine_its_processes_and_its_rules() {
    let Pair { server, laptop: _laptop } = Pair::start();
    let published = (1, vec![finding("published-port", "exposed")]);
    {
        let line = "exec -a /usr/bin/docker-proxy perl -e 'print qq(ready\\n); $| = 1; print qq(); sleep 600' -- -proto tcp -host-ip 0.0.0.0 \
            -host-port 1080 -container-ip 172.17.0.2 -container-port 1080";
        let proxy = Program::start(&mut server.command(&["bash", "-c", line]));
        eventually("the engine's process to be found", || {
            let (status, findings, _) = doctor(&server, &[]);
            ((status, findings) == published).then_some(())
        });
        drop(proxy);
    }
    server.script("iptables -t nat -A PREROUTING -p tcp --dport 1080 -j DNAT --to-destination 172.17.0.2:1080");
    let (status, findings, text) = doctor(&server, &[]);
    assert_eq!((status, findings), published, "{text}");
    server.script("iptables -t nat -F PREROUTING");
    server.script("mount -t tmpfs none /run");
    let json = r#"[{"Id":"ab","Names":["/mail"],"Image":"sj26/mailcatcher","Labels":{"com.docker.compose.service":"mail",
        "com.docker.compose.project.config_files":"/srv/compose.yaml"},
        "Ports":[{"IP":"0.0.0.0","PrivatePort":1080,"PublicPort":1080,"Type":"tcp"}]}]"#;
    let dir = tempfile::tempdir().unwrap();
    let answer = dir.path().join("containers.json");
    std::fs::write(&answer, json).unwrap();
    let _engine = server.listen(&[&format!("unix:/run/docker.sock={}", answer.display())]);
    let (status, findings, text) = doctor(&server, &[]);
    assert_eq!((status, findings), published, "{text}");
    assert!(text.contains("docker compose --file /srv/compose.yaml up --detach mail"), "{text}");
}

#[test]
fn from_outside_what_answers_is_told_and_from_the_machine_itself_nothing() {
    let Pair { server, laptop } = Pair::start();
    let ask = |from: &Namespace| from.mailwarden(&["doctor", "--from-outside", SERVER]);
    let (status, text, _) = ask(&laptop);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("no IPv6 address"), "{text}");
    let _listener = server.listen(&["0.0.0.0:1025"]);
    let (status, text, _) = ask(&laptop);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("10.9.0.1:1025, the catcher's mail port, takes connections"), "{text}");
    assert!(text.contains("10.9.0.1:1080 refuses"), "{text}");
    // By an address of the cable alone.
    let local = server.script("ip -oneline -6 addr show eth0 scope link | sed 's/.*inet6 \\([^/]*\\).*/\\1/'");
    let host = format!("{}%eth0", local.trim());
    let _listener = server.listen(&["[::]:1080"]);
    let (status, text, error) = laptop.mailwarden(&["doctor", "--from-outside", &host]);
    assert!(status == 1 && text.contains(":1080, the catcher's web port, takes connections"), "{text}{error}");
    let (status, text, error) = laptop.mailwarden(&["doctor", "--from-outside", "192.0.2.1"]);
    assert!((status, text.as_str()) == (1, "") && error.contains("no way there from here"), "{text}{error}");
    let (status, text, error) = ask(&server);
    assert_eq!((status, text.as_str()), (2, ""), "{error}");
    assert!(error.contains("own address"), "{error}");
}

/// The daemon's own look: the log says it once when it comes and once when it goes, and so do the condition and a metric.
#[test]
fn the_daemon_sees_a_wide_bind_by_itself() {
    let Pair { server, laptop: _laptop } = Pair::start();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let users = file("htpasswd", crate::support::gate::ANNA.to_owned());
    let config = file("mailwarden.toml", format!("listen = [\"127.0.0.1:8080\"]\nauth.users_file = {users:?}\n"));
    let listener = server.listen(&["[::]:1080"]);
    let binary = env!("CARGO_BIN_EXE_mailwarden");
    let mut gate = Program::start(&mut server.command(&[binary, "serve", "--config", &config]));
    assert!(gate.line("finding=\"wide-bind\"").is_some());
    let ready = || server.mailwarden(&["healthcheck", "--ready"]).1;
    eventually("the condition", || ready().contains("isolation: degraded since ").then_some(()));
    let metrics =
        || server.script("exec 3<>/dev/tcp/127.0.0.1/9080; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3");
    assert!(metrics().contains("mailwarden_isolation_findings{severity=\"warning\"} 1\n"), "{}", metrics());
    let (status, text, _) = server.mailwarden(&["doctor", "--config", &config]);
    // As root it sees the rules, and says itself how bad that is.
    assert!(status == 1 && text.contains("exposed: ") && !text.contains("isolation: degraded"), "{text}");
    drop(listener);
    server.script("kill -HUP $(pidof mailwarden)");
    assert!(gate.line("no longer so: the catcher's web port").is_some());
    eventually("the condition to end", || ready().contains("isolation: ok\n").then_some(()));
    assert!(metrics().contains("mailwarden_isolation_findings{severity=\"warning\"} 0\n"), "{}", metrics());
}
