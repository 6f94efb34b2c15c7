//! Clients with certificates: required, or instead of a password.

use std::path::Path;
use std::process::Command;

use rcgen::DnType;

use super::Secured;
use crate::reload::reload;
use crate::support::gate::{ANNA, AS_ANNA};
use crate::support::patience::eventually;
use crate::support::raw::Client;
use crate::support::tls::{Authority, Pair, TlsClient};
use crate::upgrade::{HANDSHAKE, next};

const BEN: &str = "ben:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";

/// The subject is CN=anna,O=Example.
fn anna(authority: &Authority) -> Pair {
    authority.client(&[(DnType::OrganizationName, "Example"), (DnType::CommonName, "anna")], None)
}

/// A gate whose clients have certificates of `clients`, and `more` in its table.
fn gate(clients: &Authority, more: &str) -> Secured {
    let pem = clients.pem();
    let write = move |_: &Authority, folder: &Path| std::fs::write(folder.join("clients.pem"), pem).unwrap();
    let tls = format!("client_ca_file = \"DIR/clients.pem\"\n{more}");
    Secured::of(Authority::new(), write, &tls, |gate| gate.users(&format!("{ANNA}{BEN}")))
}

const ANNA_BY_SUBJECT: &str = "client_users = { \"CN=anna,O=Example\" = \"anna\" }";

fn showing(secured: &Secured, pair: &Pair) -> Client {
    TlsClient::showing(&secured.authority, pair).connect(secured.addr(), "dev.test")
}

#[test]
fn where_a_certificate_is_required_nobody_gets_in_without_one_and_passwords_are_asked_for_all_the_same() {
    let clients = Authority::new();
    let secured = gate(&clients, "");
    let mut stranger = secured.client.shake(secured.addr(), "dev.test");
    // With TLS 1.3 the client learns of it when it reads.
    let refused = stranger.as_mut().map_or(true, |stream| {
        use std::io::Read as _;
        stream.read(&mut [0]).is_err()
    });
    assert!(refused);
    for other in [anna(&Authority::new()), clients.server(&["dev.test"])] {
        let mut stream = match TlsClient::showing(&secured.authority, &other).shake(secured.addr(), "dev.test") {
            Ok(stream) => stream,
            Err(_) => continue,
        };
        use std::io::Read as _;
        assert!(stream.read(&mut [0]).is_err());
    }
    eventually("the failures", || (secured.failures("client certificate") == Some(3.0)).then_some(()));
    let mut client = showing(&secured, &anna(&clients));
    assert_eq!(client.request("GET /messages", "").status, 401, "nobody said that she is anna");
    assert_eq!(client.request("GET /messages", AS_ANNA).status, 200);
}

#[test]
fn a_named_subject_needs_no_password_and_may_do_what_its_user_may() {
    let clients = Authority::new();
    let secured =
        gate(&clients, &format!("client_auth = \"optional\"\n{ANNA_BY_SUBJECT}\n[access]\nusers.anna = [\"view\"]"));
    let mut client = showing(&secured, &anna(&clients));
    assert_eq!(client.request("GET /messages", "").status, 200);
    assert_eq!(secured.catcher.requests().last().unwrap().value("x-forwarded-user").as_deref(), Some("anna"));
    secured.gate.access_line(|line| line.contains("auth=certificate") && line.contains("user=\"anna\""));
    assert_eq!(client.request("DELETE /messages", "").status, 403);
    // Credentials decide where there are some.
    assert_eq!(client.request("GET /messages", "Authorization: Basic eDp5\r\n").status, 401);
    // A page of another site makes her browser ask, certificate and all.
    let foreign = "Origin: https://evil.test\r\nSec-Fetch-Site: cross-site\r\n";
    assert_eq!(client.request("GET /messages", &format!("{foreign}{HANDSHAKE}")).status, 403);
    // Without one it is as ever.
    assert_eq!(secured.connect().request("GET /messages", "").status, 401);
    assert_eq!(secured.connect().request("GET /messages", AS_ANNA).status, 200);
}

#[test]
fn only_the_whole_subject_counts() {
    let clients = Authority::new();
    let secured = gate(&clients, ANNA_BY_SUBJECT);
    let (cn, o, ou) = (DnType::CommonName, DnType::OrganizationName, DnType::OrganizationalUnitName);
    for subject in [
        vec![(cn.clone(), "anna")],
        vec![(cn.clone(), "anna"), (o.clone(), "Example")],
        vec![(o.clone(), "Example"), (cn.clone(), "anna"), (ou.clone(), "x")],
        vec![(o.clone(), "Example"), (cn.clone(), "anna ")],
        vec![(o.clone(), "Example"), (cn.clone(), "Anna")],
        vec![(cn.clone(), "anna,O=Example")],
        vec![(o.clone(), "Example"), (cn.clone(), "anna\0")],
    ] {
        let mut client = showing(&secured, &clients.client(&subject, None));
        assert_eq!(client.request("GET /messages", "").status, 401, "{subject:?}");
    }
    assert_eq!(showing(&secured, &anna(&clients)).request("GET /messages", "").status, 200);
}

#[test]
fn a_subject_is_written_as_openssl_prints_it() {
    let clients = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    for (index, (cn, o)) in
        [("anna", "Example"), ("a,b+c\"d\\e<f>g;h", "#1 "), (" J\u{fc}rgen ", "\u{20ac} = #"), ("tab\there", "x")]
            .into_iter()
            .enumerate()
    {
        let parts = [
            (DnType::CountryName, "FI"),
            (DnType::OrganizationName, o),
            (DnType::CommonName, cn),
            (DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), "7"),
            (DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "anna@example.org"),
        ];
        let pair = clients.client(&parts, None);
        let (cert, _) = pair.write(folder.path(), &index.to_string());
        let output = Command::new("openssl")
            .args(["x509", "-noout", "-subject", "-nameopt", "RFC2253", "-in"])
            .arg(&cert)
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let subject = printed.trim_end_matches('\n').strip_prefix("subject=").unwrap();
        let secured = gate(&clients, &format!("client_users = {{ {subject:?} = \"anna\" }}"));
        assert_eq!(showing(&secured, &pair).request("GET /messages", "").status, 200, "{subject}");
    }
}

#[test]
fn an_address_in_a_certificate_can_name_a_user_and_two_users_are_none() {
    let clients = Authority::new();
    let users = r#"client_users = { "email:anna@example.org" = "anna", "CN=ben" = "ben" }"#;
    let secured = gate(&clients, users);
    let named = |cn: &str| clients.client(&[(DnType::CommonName, cn)], Some("anna@example.org"));
    assert_eq!(showing(&secured, &named("whoever")).request("GET /messages", "").status, 200);
    secured.gate.access_line(|line| line.contains("auth=certificate") && line.contains("user=\"anna\""));
    assert_eq!(showing(&secured, &named("ben")).request("GET /messages", "").status, 401);
}

/// As for whoever logged in with a password.
#[test]
fn a_tunnel_ends_when_its_user_or_the_mapping_or_the_authority_goes() {
    let (clients, others) = (Authority::new(), Authority::new());
    let secured = gate(&clients, &format!("client_auth = \"optional\"\n{ANNA_BY_SUBJECT}"));
    let pair = anna(&clients);
    let config = std::fs::read_to_string(secured.gate.config_file()).unwrap();
    let authorities = secured.files.path().join("clients.pem");
    let open = || {
        let mut socket = showing(&secured, &pair);
        assert_eq!(socket.request("GET /messages", HANDSHAKE).status, 101);
        socket
    };
    let is_ended = |mut socket: Client| {
        let (first, payload) = next(&mut socket);
        assert_eq!((first, &payload[..2]), (0x88, &1008u16.to_be_bytes()[..]));
    };
    // The user.
    let (socket, mut kept) = (open(), showing(&secured, &pair));
    assert_eq!(kept.request("GET /messages", "").status, 200);
    std::fs::write(secured.gate.users_file(), BEN).unwrap();
    is_ended(socket);
    assert_eq!(kept.request("GET /messages", "").status, 401);
    std::fs::write(secured.gate.users_file(), format!("{ANNA}{BEN}")).unwrap();
    eventually("her return", || (kept.request("GET /messages", "").status == 200).then_some(()));
    // The mapping.
    let socket = open();
    std::fs::write(secured.gate.config_file(), config.replace("CN=anna,", "CN=other,")).unwrap();
    reload(&secured.gate);
    is_ended(socket);
    assert_eq!(kept.request("GET /messages", "").status, 401);
    std::fs::write(secured.gate.config_file(), &config).unwrap();
    reload(&secured.gate);
    assert_eq!(kept.request("GET /messages", "").status, 200);
    // The authority, whose file alone changes.
    let socket = open();
    std::fs::write(&authorities, others.pem()).unwrap();
    is_ended(socket);
    assert_eq!(kept.request("GET /messages", "").status, 401);
    assert_eq!(showing(&secured, &anna(&others)).request("GET /messages", "").status, 200);
}

#[test]
fn a_connection_whose_certificate_is_not_taken_any_more_is_sent_away_where_one_is_required() {
    let (clients, others) = (Authority::new(), Authority::new());
    let secured = gate(&clients, "");
    let mut kept = showing(&secured, &anna(&clients));
    assert_eq!(kept.request("GET /messages", AS_ANNA).status, 200);
    std::fs::write(secured.files.path().join("clients.pem"), others.pem()).unwrap();
    reload(&secured.gate);
    let answer = kept.request("GET /messages", AS_ANNA);
    assert_eq!((answer.status, answer.field("connection").as_deref()), (421, Some("close")));
    assert!(kept.is_ended());
}
