use super::{Namespace, Pair, SERVER, SERVER6};
use crate::support::patience::eventually;

/// The user that the gate is said to run as, and one who has nothing to do with it.
const GATE: &str = "998";
const STRANGER: &str = "4321";

/// Who reaches the catcher's ports: the laptop by IPv4 and IPv6, then a stranger and the gate's user over loopback.
fn reach(pair: &Pair, port: u16) -> [bool; 6] {
    let Pair { server, laptop } = pair;
    [
        laptop.reaches(None, SERVER, port),
        laptop.reaches(None, SERVER6, port),
        server.reaches(Some(STRANGER), "127.0.0.1", port),
        server.reaches(Some(STRANGER), "::1", port),
        server.reaches(Some(GATE), "127.0.0.1", port),
        server.reaches(Some(GATE), "::1", port),
    ]
}

const ALL: [bool; 6] = [true; 6];

/// Every rule of the machine, without counters.
///
/// Rules that are there twice would not show as a difference, but for those of ours: `check` counts these.
fn everything(server: &Namespace) -> String {
    server.script("nft --stateless --numeric list ruleset")
}

fn apply(server: &Namespace, words: &[&str], by: &str) {
    let (status, text, error) = server.mailwarden(&[&["firewall"], words].concat());
    assert_eq!(status, 0, "{error}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rules");
    std::fs::write(&file, &text).unwrap();
    let output = server.run(&["sh", "-c", &format!("{by} {}", file.display())]);
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert!(output.status.success(), "{text}\n{said}");
}

/// The whole life of the rules of one backend.
fn close_and_open_again(pair: &Pair, backend: &str, by: &str) {
    let Pair { server, laptop } = pair;
    let _catcher = server.listen(&["[::]:1080", "[::]:1025"]);
    let _gate = server.listen(&["[::]:8080"]);
    let open = || [1080, 1025, 8080].map(|port| reach(pair, port));
    assert_eq!(open(), [ALL; 3], "before");
    let before = everything(server);
    let to_backend = |words: &[&'static str]| [words, &["--backend"]].concat();
    let wanted = [&to_backend(&["print"])[..], &[backend, "--local-users", "--allow-user", GATE]].concat();
    let check = [&["firewall", "check"], &wanted[1..]].concat();
    assert_eq!(server.mailwarden(&check).0, 1, "not there yet");

    apply(server, &wanted, by);
    let closed = [false, false, false, false, true, true];
    assert_eq!(open(), [closed, closed, ALL], "with the rules");
    assert_eq!(server.mailwarden(&check), (0, format!("{backend}: in force\n"), String::new()));
    let (status, text, _) = server.mailwarden(&["doctor", "--listen", "127.0.0.1:8080"]);
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("info: the catcher's web port")
            && text.contains(&format!("Mailwarden's {backend} rules close it")),
        "{text}"
    );
    let once = everything(server);
    apply(server, &wanted, by);
    let more = differs(&everything(server), &once);
    assert!(more.is_empty(), "applied twice: {more:#?}");

    // Of the cable's own addresses as well.
    let local = server.script("ip -oneline -6 addr show eth0 scope link | sed 's/.*inet6 \\([^/]*\\).*/\\1/'");
    let local = format!("{}%eth0", local.trim());
    assert_eq!([1080, 1025, 8080].map(|port| laptop.reaches(None, &local, port)), [false, false, true], "{local}");

    // Others, over those: mail from the laptop's network, and loopback for everybody.
    let mail = [
        &to_backend(&["print"])[..],
        &[backend, "--allow-smtp-from", "10.9.0.0/24", "--allow-smtp-from", "fd00:9::/64"],
    ]
    .concat();
    apply(server, &mail, by);
    let [web, smtp, gate] = open();
    assert_eq!((web, smtp, gate), ([false, false, true, true, true, true], ALL, ALL), "with mail let in");
    assert_eq!(server.mailwarden(&[&["firewall", "check"], &mail[1..]].concat()).0, 0);
    assert_eq!(server.mailwarden(&check).0, 1, "others are in force");
    assert!(laptop.reaches(None, SERVER, 1025));

    // Whatever the options were.
    let undo = to_backend(&["undo"]);
    let undo = [&undo[..], &[backend]].concat();
    apply(server, &undo, by);
    assert_eq!(open(), [ALL; 3], "taken back");
    let left = differs(&everything(server), &before);
    assert!(left.is_empty(), "taken back: {left:#?}");
    apply(server, &undo, by);
}

/// Applies the rules, and has them spoilt: the port is open then, and neither `check` nor `doctor` says that it is closed.
fn spoil(pair: &Pair, backend: &str, how: &[(&str, &str)]) {
    let Pair { server, laptop } = pair;
    let _catcher = server.listen(&["[::]:1080"]);
    let words = ["print", "--backend", backend];
    let check = ["firewall", "check", "--backend", backend];
    for (spoilt, mended) in how {
        apply(server, &words, "sh");
        assert!(!laptop.reaches(None, SERVER, 1080), "{spoilt}");
        assert_eq!(server.mailwarden(&check).0, 0, "{spoilt}");
        server.script(spoilt);
        assert!(laptop.reaches(None, SERVER, 1080), "{spoilt}");
        assert_eq!(server.mailwarden(&check).0, 1, "{spoilt}");
        let text = server.mailwarden(&["doctor", "--listen", "127.0.0.1:8080"]).1;
        assert!(!text.contains("rules close it"), "{spoilt}: {text}");
        server.script(mended);
    }
}

/// What one of them has and the other has not.
fn differs(one: &str, other: &str) -> Vec<String> {
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let (one, other) = (lines(one), lines(other));
    let added = one.iter().filter(|line| !other.contains(line)).map(|line| format!("+ {line}"));
    let gone = other.iter().filter(|line| !one.contains(line)).map(|line| format!("- {line}"));
    added.chain(gone).collect()
}

#[test]
fn nftables() {
    close_and_open_again(&Pair::start(), "nftables", "nft -f");
}

#[test]
fn iptables_with_ip6tables() {
    let pair = Pair::start();
    // The tables come into being with their first use.
    pair.server.script(
        "for tool in iptables ip6tables; do $tool -A INPUT -i x -j ACCEPT; $tool -A OUTPUT -o x -j ACCEPT; done",
    );
    close_and_open_again(&pair, "iptables", "sh");
}

#[test]
fn ufw() {
    let pair = Pair::start();
    let dir = tempfile::tempdir().unwrap();
    // Its files are this machine's; here it gets a copy.
    pair.server.script(&format!(
        "cp -a /etc/ufw {0}/ufw; mount --bind {0}/ufw /etc/ufw; mount -t tmpfs none /run; ufw --force enable; ufw allow 8080/tcp; \
         ufw allow 1080/tcp; ufw allow 1025/tcp; ufw reload",
        dir.path().display()
    ));
    close_and_open_again(&pair, "ufw", "sh");
    let early = "-p tcp --dport 1080 -j ACCEPT";
    let rules = "/etc/ufw/before.rules";
    spoil(
        &pair,
        "ufw",
        &[
            (&format!("iptables -I INPUT 1 {early}"), &format!("iptables -D INPUT {early}")),
            (
                &format!(
                    "cp {rules} /run/; sed -i '/^# End required/a -A ufw-before-input {early}' {rules}; ufw reload"
                ),
                &format!("cp /run/before.rules {rules}; ufw reload"),
            ),
            ("iptables -P INPUT ACCEPT; iptables -F INPUT", "ufw reload"),
        ],
    );
}

#[test]
fn firewalld() {
    let pair = Pair::start();
    let dir = tempfile::tempdir().unwrap();
    pair.server.script(&format!(
        "cp -a /etc/firewalld {0}/firewalld; mount --bind {0}/firewalld /etc/firewalld; mount -t tmpfs none /run; mkdir -p /run/dbus; \
         dbus-daemon --system --fork --nopidfile",
        dir.path().display()
    ));
    let _daemon = crate::process::Program::start(&mut pair.server.command(&["firewalld", "--nofork", "--nopid"]));
    eventually("firewalld to run", || pair.server.run(&["firewall-cmd", "--state"]).status.success().then_some(()));
    pair.server.script("for port in 8080 1080 1025; do firewall-cmd --quiet --permanent --add-port $port/tcp; done; firewall-cmd --quiet --reload");
    close_and_open_again(&pair, "firewalld", "sh");
    let early = "firewall-cmd --quiet --permanent --policy early";
    spoil(
        &pair,
        "firewalld",
        &[
            (
                &format!(
                    "firewall-cmd --quiet --permanent --new-policy early; {early} --set-priority -200; {early} --add-ingress-zone ANY; \
                     {early} --add-egress-zone HOST; {early} --add-port 1080/tcp; firewall-cmd --quiet --reload"
                ),
                "firewall-cmd --quiet --permanent --delete-policy early; firewall-cmd --quiet --reload",
            ),
            ("nft flush ruleset", "true"),
        ],
    );
}

/// A catcher in a container: its port is handed on by rules like Docker's, and other containers send it mail.
#[test]
fn docker_user() {
    let pair = Pair::start();
    let Pair { server, laptop } = &pair;
    let [catcher, app] = [Namespace::start(), Namespace::start()];
    server.script("sysctl -qw net.ipv4.ip_forward=1");
    // An application in a network of its own, as compose makes it.
    for (container, bridge, net) in [(&catcher, "docker0", 17), (&app, "br-app", 18)] {
        server.script(&format!(
            "ip link add {bridge} type bridge; ip addr add 172.{net}.0.1/16 dev {bridge}; ip link set {bridge} up; \
             ip link add v{net} type veth peer name c{net}; ip link set v{net} master {bridge} up"
        ));
        // From within the server's namespaces the container's number is not known.
        let pid = container.pid.to_string();
        let moved = std::process::Command::new("nsenter")
            .args([
                "--target",
                &server.pid.to_string(),
                "--net",
                "--",
                "ip",
                "link",
                "set",
                &format!("c{net}"),
                "netns",
                &pid,
            ])
            .status();
        assert!(moved.unwrap().success());
        container.script(&format!(
            "ip link set c{net} name eth0; ip link set eth0 up; ip addr add 172.{net}.0.2/16 dev eth0; \
             ip route add default via 172.{net}.0.1"
        ));
    }
    let _catcher = catcher.listen(&["0.0.0.0:1080", "0.0.0.0:1025"]);
    let _gate = server.listen(&["[::]:8080"]);
    // The engine's own process, for IPv6.
    let _proxy = server.listen(&["only[::]:1080", "only[::]:1025"]);
    let published = |port: u16| {
        format!(
            "iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p tcp --dport {port} ! -i docker0 -j DNAT --to-destination 172.17.0.2:{port};"
        )
    };
    server.script(&format!(
        "{}{} iptables -N DOCKER-USER; iptables -A FORWARD -j DOCKER-USER; ip6tables -N DOCKER-USER; ip6tables -A FORWARD -j DOCKER-USER",
        published(1080),
        published(1025)
    ));
    let reach = || {
        let from_laptop = [1080, 1025, 8080].map(|port| [SERVER, SERVER6].map(|ip| laptop.reaches(None, ip, port)));
        // By the published port, and directly.
        (from_laptop, app.reaches(None, SERVER, 1025), catcher.reaches(None, "172.18.0.2", 1025))
    };
    let other = app.listen(&["0.0.0.0:1025"]);
    assert_eq!(reach(), ([[true; 2]; 3], true, true));
    let words = ["print", "--backend", "docker-user", "--outer-interface", "eth0"];
    apply(server, &words, "sh");
    apply(server, &words, "sh");
    assert_eq!(reach(), ([[false; 2], [false; 2], [true; 2]], true, true));
    let check = [&["firewall", "check"], &words[1..]].concat();
    assert_eq!(server.mailwarden(&check), (0, "docker-user: in force\n".to_owned(), String::new()));
    // A container's own mail to a catcher elsewhere, and the answer.
    let _elsewhere = laptop.listen(&["0.0.0.0:1025"]);
    laptop.script("ip route add 172.16.0.0/12 via 10.9.0.1");
    assert!(app.reaches(None, "10.9.0.2", 1025));
    apply(server, &[&["undo"], &words[1..]].concat(), "sh");
    assert_eq!(reach(), ([[true; 2]; 3], true, true));
    drop(other);
}
