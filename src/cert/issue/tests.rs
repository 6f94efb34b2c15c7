use super::*;

/// 2026-11-24 14:00 UTC.
pub(in super::super) const NOW: Timestamp = Timestamp::constant(1_795_528_800, 0);

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn made(texts: &[&str]) -> Authority {
    let names = names(texts);
    Authority::make(&names[0], &names.iter().map(Scope::of).collect::<Vec<_>>(), NOW).unwrap().0
}

fn der(pem: &str) -> Vec<u8> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap().to_vec()
}

/// A certificate in DER, and its key.
pub(in super::super) fn pair(texts: &[&str]) -> (Vec<u8>, Zeroizing<String>) {
    let pair = made(texts).issue(&names(texts), 30, NOW).unwrap();
    (der(&pair.certificate), pair.key)
}

#[test]
fn a_certificate_says_what_was_asked_for() {
    let texts = ["mail.dev.example", "*.dev.example", "192.0.2.7", "2001:db8::7"];
    let says = Says::read(&pair(&texts).0).unwrap();
    assert_eq!(says.names, names(&texts));
    assert_eq!((says.not_before, says.not_after), (NOW - SKEW, NOW + days(30)));
}

#[test]
fn the_longest_one_is_one_that_apples_systems_take() {
    let authority = made(&["mail.example"]);
    let pair = authority.issue(&names(&["mail.example"]), MAX_DAYS, NOW).unwrap();
    let says = Says::read(&der(&pair.certificate)).unwrap();
    assert!(says.not_after.duration_since(says.not_before) <= days(825));
}

#[test]
fn an_authority_that_was_read_again_signs_the_same_way() {
    let first = "a-name-that-is-far-too-long-to-be-in-a-common-name.dev.example";
    let names = names(&[first]);
    let (made, pair) = Authority::make(&names[0], &[Scope::of(&names[0])], NOW).unwrap();
    assert_eq!(made.says().common_name.len(), MAX_COMMON_NAME);
    let read = Authority::read(&pair).unwrap();
    assert_eq!(read.says(), made.says());
    let leaf = read.issue(&names, 30, NOW).unwrap();
    let later = NOW + days(20);
    let renewed = made.renew(&names, &leaf.key, 30, later).unwrap();
    assert_eq!(Says::read(&der(&renewed)).unwrap().not_after, later + days(30));
    let fits = |certificate: &str| {
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).unwrap();
        CertifiedKey::from_der(vec![der(certificate).into()], key, &default_provider()).is_ok()
    };
    assert!(fits(&leaf.certificate) && fits(&renewed));
}

#[test]
fn no_two_authorities_have_one_name_and_no_two_certificates_one_number() {
    let (one, other) = (made(&["a.example"]), made(&["a.example"]));
    assert_ne!(one.says().common_name, other.says().common_name);
    let sign = || one.issue(&names(&["a.example"]), 30, NOW).unwrap().certificate;
    assert_ne!(der(&sign())[..60], der(&sign())[..60], "the serial number is among the first bytes");
}

#[test]
fn an_authority_signs_only_for_what_it_was_made_for_and_the_machine_itself() {
    let authority = made(&["mail.dev.example", "192.0.2.7"]);
    for good in ["mail.dev.example", "a.mail.dev.example", "192.0.2.7", "localhost", "127.0.0.1", "::1"] {
        assert!(authority.issue(&names(&[good]), 30, NOW).is_ok(), "{good}");
    }
    for bad in ["dev.example", "xmail.dev.example", "192.0.2.8", "2001:db8::1", "www.bank.example"] {
        let why = authority.issue(&names(&["localhost", bad]), 30, NOW).unwrap_err();
        assert!(matches!(&why, CannotIssue::OutOfScope(name, _) if name.to_string() == bad), "{why}");
    }
}

#[test]
fn clients_hold_the_list_against_whoever_has_the_key() {
    for (made_for, stolen) in [
        ("mail.dev.example", "www.bank.example"),
        ("192.0.2.7", "198.51.100.1"),
        ("192.0.2.7", "www.bank.example"),
        ("mail.dev.example", "2001:db8::1"),
    ] {
        let mut authority = made(&[made_for]);
        authority.says.scopes.clear(); // a thief does not look at it
        let why = authority.issue(&names(&[stolen]), 30, NOW).unwrap_err();
        assert!(matches!(&why, CannotIssue::BrokenAuthority(why) if why.contains("NameConstraint")), "{why}");
    }
}

#[test]
fn nothing_outlives_its_authority() {
    let authority = made(&["a.example"]);
    let late = NOW + days(AUTHORITY_DAYS - 10);
    let pair = authority.issue(&names(&["a.example"]), 30, late).unwrap();
    assert_eq!(Says::read(&der(&pair.certificate)).unwrap().not_after, NOW + days(AUTHORITY_DAYS));
    let why = authority.issue(&names(&["a.example"]), 30, NOW + days(AUTHORITY_DAYS)).unwrap_err();
    assert_eq!(why, CannotIssue::Expired(NOW + days(AUTHORITY_DAYS)));
}

#[test]
fn parts_that_do_not_belong_together_are_told() {
    let name = names(&["a.example"]);
    let make = || Authority::make(&name[0], &[], NOW).unwrap().1;
    let (one, other) = (make(), make());
    let read = |certificate: &str, key: &str| {
        Authority::read(&Pair { certificate: certificate.to_owned(), key: Zeroizing::new(key.to_owned()) })
    };
    for (certificate, key, why) in [
        (one.certificate.as_str(), other.key.as_str(), "does not fit"),
        ("", &one.key, "certificate is no PEM"),
        (&one.certificate, "", "key is no PEM"),
    ] {
        let told = read(certificate, key).unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
    }
    // A certificate with a key that fits, made by something else.
    let key = KeyPair::generate().unwrap();
    let foreign = CertificateParams::default().self_signed(&key).unwrap();
    let foreign = read(&foreign.pem(), &key.serialize_pem()).unwrap();
    assert_eq!(foreign.issue(&name, 30, NOW).unwrap_err(), CannotIssue::NotOurs);
    assert!(matches!(made(&["a.example"]).renew(&name, "", 30, NOW), Err(CannotIssue::BrokenKey(_))));
}

#[test]
fn a_clock_that_is_far_off_is_told() {
    let name: Name = "a.example".parse().unwrap();
    for now in [Timestamp::UNIX_EPOCH, Timestamp::MAX] {
        assert_eq!(Authority::make(&name, &[], now).unwrap_err(), CannotIssue::Clock);
    }
}
