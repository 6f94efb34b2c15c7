//! fail2ban reads the gate's own lines by `config/fail2ban`: who is counted, and that no client can write another one
//! into a line or keep himself out of it.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::gate::{ANNA, AS_ANNA, Gate};
use crate::support::patience::eventually;
use crate::support::raw::Client;

/// `anna` with a wrong password, `nobody` who does not exist, and `bert` whose line in the users file is refused.
const WRONG_PASSWORD: &str = "Authorization: Basic YW5uYTp3cm9uZw==\r\n";
const UNKNOWN_USER: &str = "Authorization: Basic bm9ib2R5OnNlY3JldA==\r\n";
const REFUSED_LINE: &str = "Authorization: Basic YmVydDpzZWNyZXQ=\r\n";

/// The addresses of clients, and of one that never came.
const V4: &str = "192.0.2.7";
const V6: &str = "2001:db8::7";
const FORGED: &str = "198.51.100.1";

/// The forms of the access log that are meant to be read so.
const FORMATS: [&str; 2] = ["text", "json"];

/// A gate that takes every client's address from the proxy in front of it, which is this test.
fn before(catcher: SocketAddr, format: &str) -> Gate {
    let users = format!("{ANNA}bert:$6$a$refused\n");
    let config = format!("trusted_proxies = [\"127.0.0.1\"]\nlog.format = {format:?}\nworkers = 1");
    Gate::to(catcher).users(&users).config(&config).start()
}

/// The same without a catcher, for nothing listens on port 1: that too is no failure of the client's.
fn gate(format: &str) -> Gate {
    before(SocketAddr::from(([127, 0, 0, 1], 1)), format)
}

/// A request by the client at this address.
fn request(gate: &Gate, client: &str, line: &str, fields: &str) -> u16 {
    let fields = format!("X-Forwarded-For: {client}\r\nConnection: close\r\n{fields}");
    gate.connect().request(line, &fields).status
}

/// The access log, when it has as many lines.
fn lines(gate: &Gate, count: usize) -> Vec<String> {
    eventually("as many lines in the access log", || Some(gate.access_log()).filter(|lines| lines.len() == count))
}

/// One request of every kind; those that must be counted are the first three.
fn one_of_each(format: &str) -> Vec<String> {
    let gate = gate(format);
    for (client, fields, status) in [
        (V4, WRONG_PASSWORD, 401),
        (V6, UNKNOWN_USER, 401),
        (V4, UNKNOWN_USER, 401),
        ("192.0.2.101", "", 401),
        ("192.0.2.102", REFUSED_LINE, 401),
        ("192.0.2.103", AS_ANNA, 502),
        ("192.0.2.104", "Authorization: Basic !\r\n", 401),
    ] {
        assert_eq!(request(&gate, client, "GET /", fields), status, "{client}");
    }
    assert_eq!(request(&gate, "192.0.2.105", "DELETE /", AS_ANNA), 403);
    lines(&gate, 8)
}

/// Passwords that were not looked at may be right, so their clients are not counted for them; wrong ones that were are
/// counted, though they get 429 too.
#[test]
fn a_throttled_password_is_not_counted_and_a_wrong_one_with_429_is() {
    for format in FORMATS {
        let gate = gate(format);
        let statuses = [b"n0", b"n1", b"n2", b"n3", b"n4", b"n5"].map(|password| {
            let fields = format!("Authorization: Basic {}\r\n", STANDARD.encode([b"anna:", &password[..]].concat()));
            request(&gate, V4, "GET /", &fields)
        });
        assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
        assert_eq!(request(&gate, V4, "GET /", UNKNOWN_USER), 429);
        let lines = lines(&gate, 7);
        assert!(lines[5].contains("throttled") && lines[6].contains("unknown-user"), "{lines:#?}");
        assert_eq!(found(&lines), [V4; 6], "{format}");
    }
}

const COUNTED: [&str; 3] = [V4, V6, V4];

fn config(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/fail2ban").join(path)
}

/// What a command says, which must be all it says and be said without an error.
fn said(command: &mut Command) -> String {
    let name = command.get_program().to_string_lossy().into_owned();
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{name}: {error}: run tests/run, which installs it"));
    let said = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{name}: {said}{}", String::from_utf8_lossy(&stderr));
    said
}

/// The failures that fail2ban finds: address, and time in seconds.
fn failures(log: &str) -> Vec<(String, f64)> {
    // Far from UTC, so that a time that is not read as UTC is hours off.
    let said = said(
        Command::new("fail2ban-regex")
            .env("TZ", "Asia/Tokyo")
            .args(["-o", "<ip> <time>", log])
            .arg(config("filter.d/mailwarden.conf")),
    );
    let failure = |line: &str| {
        let (address, time) = line.split_once(' ')?;
        Some((address.to_owned(), time.parse().ok()?))
    };
    said.lines().map(|line| failure(line).unwrap_or_else(|| panic!("fail2ban-regex says {said}"))).collect()
}

fn addresses(failures: Vec<(String, f64)>) -> Vec<String> {
    failures.into_iter().map(|(address, _)| address).collect()
}

/// The addresses that fail2ban finds in a file of these lines.
fn found(lines: &[String]) -> Vec<String> {
    addresses(found_with_times(lines))
}

fn found_with_times(lines: &[String]) -> Vec<(String, f64)> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines.join("\n") + "\n").unwrap();
    failures(file.path().to_str().unwrap())
}

/// The addresses that fail2ban finds in a journal of these messages, each written by that unit.
fn found_in_journal(messages: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let mut export = String::new();
    for (count, (unit, message)) in messages.iter().enumerate() {
        write!(
            export,
            "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={count}\n_BOOT_ID={:032x}\n_HOSTNAME=dev-1.test\n\
             SYSLOG_IDENTIFIER=mailwarden\n_PID=71\n_SYSTEMD_UNIT={unit}\nMESSAGE={message}\n\n",
            1_795_000_000_000_000 + count,
            1
        )
        .unwrap();
    }
    let (exported, journal) = (dir.path().join("exported"), dir.path().join("test.journal"));
    std::fs::write(&exported, export).unwrap();
    said(Command::new("/lib/systemd/systemd-journal-remote").arg("--output").arg(&journal).arg(&exported));
    addresses(failures(&format!("systemd-journal[journalfiles={:?}]", journal.display().to_string())))
}

#[test]
fn wrong_passwords_and_unknown_users_are_counted_and_nothing_else_is() {
    for format in FORMATS {
        assert_eq!(found(&one_of_each(format)), COUNTED, "{format}");
    }
}

#[test]
fn the_time_of_a_failure_is_that_of_its_line_in_utc() {
    for format in FORMATS {
        let lines = one_of_each(format);
        let times: Vec<i64> = lines[..3]
            .iter()
            .map(|line| {
                let start = line.find("20").unwrap();
                line[start..start + "2026-11-24T12:00:00.000Z".len()].parse::<jiff::Timestamp>().unwrap().as_second()
            })
            .collect();
        let found: Vec<i64> = found_with_times(&lines).iter().map(|(_, time)| time.floor() as i64).collect();
        assert_eq!(found, times, "{format}");
    }
}

#[test]
fn lines_in_the_journal_count_as_in_a_file_and_those_of_another_unit_do_not() {
    for format in FORMATS {
        let lines = one_of_each(format);
        let of = |unit| lines.iter().map(|line| (unit, line.as_str())).collect::<Vec<_>>();
        assert_eq!(found_in_journal(&of("mailwarden.service")), COUNTED, "{format}");
        assert_eq!(found_in_journal(&of("other.service")), [""; 0], "{format}");
    }
}

#[test]
fn lines_in_a_syslog_file_count_and_those_of_another_program_do_not() {
    let times = ["Nov 24 07:41:23", "Nov  4 07:41:23", "2026-11-24T09:41:23.123456+02:00"];
    for format in FORMATS {
        let lines = one_of_each(format);
        let of = |program: &str| {
            let before = times.map(|time| format!("{time} dev-1.test {program} "));
            before.iter().flat_map(|before| lines.iter().map(move |line| format!("{before}{line}"))).collect::<Vec<_>>()
        };
        assert_eq!(found(&of("mailwarden[71]:")), [COUNTED; 3].concat(), "{format}");
        let others = ["sshd[71]:", "sshd[71]: mailwarden[71]:", "sshd[71]: a b mailwarden[71]:", "mailwarden", "[71]:"];
        assert_eq!(found(&others.map(of).concat()), [""; 0], "{format}");
    }
}

#[test]
fn the_daemons_own_log_counts_nobody_whom_it_names() {
    for format in FORMATS {
        let catcher = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = before(catcher.local_addr().unwrap(), format);
        let mut client = gate.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {V4}\r\n{AS_ANNA}\r\n"));
        let mut far = Client::accept(&catcher);
        far.head();
        far.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        drop(far);
        assert!(gate.log_line("the catcher's answer broke off").contains(V4));
        assert_eq!(found(&gate.log()), [""; 0], "{format}");
    }
}

#[test]
fn the_combined_format_counts_nobody() {
    assert_eq!(found(&one_of_each("combined")), [""; 0]);
}

/// Words that would be somebody else's failure if they stood at the start of a line.
fn forgeries() -> Vec<String> {
    let time = "2026-11-24T07:00:00.000Z";
    let text = format!(
        "{time} client={FORGED} status=401 auth=wrong-password bytes=135 ms=1.0 reason=\"wrong password\" \
         version=HTTP/1.1 method=GET path=\"/\""
    );
    let json = format!("{{\"time\":\"{time}\",\"client\":\"{FORGED}\",\"status\":401,\"auth\":\"wrong-password\",");
    let plain = text.replace('"', "");
    let syslog = format!("Nov 24 07:41:23 dev mailwarden[71]: {text}");
    [&text, &json, &plain, &syslog].map(|words| [words.clone(), format!("\" {words}"), format!("\\n{words}")]).concat()
}

/// Requests whose every part that a client can choose holds a forgery. They are sent with these further lines.
fn forged_requests(gate: &Gate, fields: &str) -> usize {
    let mut sent = 0;
    for forgery in forgeries() {
        let path: String = forgery
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"=.:-/".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        // A line break within a value is refused; what only some readers take for one is not.
        for field in [forgery.clone(), format!("\u{85}{forgery}"), format!("\u{2028}{forgery}"), format!("\t{forgery}")]
        {
            let fields = format!("{fields}User-Agent: {field}\r\nReferer: {field}\r\n");
            assert_eq!(request(gate, &format!("{FORGED}, {V4}"), &format!("GET /{path}"), &fields), 401, "{field}");
            sent += 1;
        }
        // A head that is refused has a line too, with nothing of the client's in it.
        let broken = format!("GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: a\r{forgery}\r\n\r\n");
        assert_eq!(gate.connect().send(broken).answer().status, 400);
        sent += 1;
    }
    sent
}

#[test]
fn no_client_can_write_another_address_into_a_line() {
    for format in FORMATS {
        let gate = gate(format);
        let sent = forged_requests(&gate, "");
        let lines = lines(&gate, sent);
        assert!(lines.iter().any(|line| line.contains(FORGED)), "{lines:#?}");
        assert_eq!(found(&lines), [""; 0], "{format}");
        let messages: Vec<_> = lines.iter().map(|line| ("mailwarden.service", line.as_str())).collect();
        assert_eq!(found_in_journal(&messages), [""; 0], "{format}");
    }
}

#[test]
fn no_client_can_keep_his_failure_out_of_the_count() {
    for format in FORMATS {
        let gate = gate(format);
        let sent = forged_requests(&gate, WRONG_PASSWORD);
        let lines = lines(&gate, sent);
        let failures = sent - forgeries().len();
        assert_eq!(found(&lines), vec![V4; failures], "{format}");
    }
}

/// A log may cut a long line in two: the journal at 48 KiB, container engines at 16. Where, is the client's choice.
#[test]
fn the_rest_of_a_line_that_was_cut_is_nobodys_failure() {
    for format in FORMATS {
        let gate = gate(format);
        let sent = forged_requests(&gate, "");
        let rests: Vec<String> = lines(&gate, sent)
            .iter()
            .flat_map(|line| {
                line.match_indices(['2', 'N', '{', ' ']).map(|(at, _)| line[at..].to_owned()).collect::<Vec<_>>()
            })
            .filter(|rest| rest.contains(FORGED))
            .collect();
        assert!(rests.len() > 100, "{rests:#?}");
        assert!(!found(&rests).contains(&FORGED.to_owned()), "{format}");
        let messages: Vec<_> = rests.iter().map(|rest| ("mailwarden.service", rest.as_str())).collect();
        assert!(!found_in_journal(&messages).contains(&FORGED.to_owned()), "{format}");
    }
}

/// However long what the client chose is, what counts stands before it.
#[test]
fn the_beginning_of_a_line_that_was_cut_is_enough() {
    for format in FORMATS {
        let gate = gate(format);
        let long = "A".repeat(10_000);
        for line in [format!("{long} /"), format!("GET /{long}")] {
            assert_eq!(request(&gate, V6, &line, WRONG_PASSWORD), 401, "{format}");
        }
        let cut: Vec<String> = lines(&gate, 2).iter().map(|line| line[..1_000].to_owned()).collect();
        assert_eq!(found(&cut), [V6, V6], "{format}");
    }
}

#[test]
fn the_jail_is_one_that_fail2ban_takes() {
    let dir = tempfile::tempdir().unwrap();
    let etc = dir.path().join("fail2ban");
    said(Command::new("cp").arg("-r").args([Path::new("/etc/fail2ban"), &etc]));
    for file in ["filter.d/mailwarden.conf", "jail.d/mailwarden.conf"] {
        std::fs::copy(config(file), etc.join(file)).unwrap();
    }
    let dump = said(Command::new("fail2ban-client").arg("-c").arg(&etc).arg("-d"));
    let dump: Vec<&str> = dump.lines().filter(|line| line.contains("mailwarden")).collect();
    let dump = dump.join("\n");
    for order in [
        "['add', 'mailwarden', 'systemd']",
        "['set', 'mailwarden', 'addjournalmatch', '_SYSTEMD_UNIT=mailwarden.service']",
        "['set', 'mailwarden', 'maxretry', 10]",
        "['start', 'mailwarden']",
    ] {
        assert!(dump.contains(order), "{order} is not in\n{dump}");
    }
    assert!(dump.contains("['port', '8080']"), "{dump}");
}
