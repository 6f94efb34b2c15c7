use proptest::prelude::*;

use super::*;

fn asked(zone: Option<&str>) -> Asked<'_> {
    Asked { zone, now: "2026-11-24T12:00:00Z".parse().unwrap() }
}

/// Everything that can come out, as one text.
fn everything(content: &str) -> String {
    match convert("crontab", content, &asked(Some("Europe/Helsinki"))) {
        Ok(converted) => format!("{}{:?}", converted.draft.toml(), converted.notes),
        Err(fault) => format!("{fault} {fault:?}"),
    }
}

#[test]
fn two_lines_that_empty_are_a_fault_and_none_is_too() {
    let line = "0 3 * * * curl -X DELETE http://localhost:1080/messages\n";
    let fault = convert("c", &line.repeat(2), &asked(None)).unwrap_err();
    assert!(fault.to_string().starts_with("c: lines 1, 2 each empty a catcher"), "{fault}");
    assert!(convert("c", "MAILTO=x\n", &asked(None)).is_err());
    let fault = convert("c", "0 3 * * curl -X DELETE http://localhost:1080/messages", &asked(None)).unwrap_err();
    assert_eq!(fault.place.line, 1);
}

#[test]
fn the_zone_is_cron_s_own_before_the_machine_s() {
    let line = "0 3 * * * root curl -X DELETE http://localhost:1080/messages";
    let zone =
        |content: &str, machine| convert("c", content, &asked(machine)).unwrap().draft.get("purge.timezone").cloned();
    assert_eq!(zone(line, None), None);
    assert_eq!(zone(line, Some("Europe/Kyiv")), Some("Europe/Kyiv".into()));
    assert_eq!(zone(&format!("CRON_TZ=Asia/Tokyo\n{line}"), Some("Europe/Kyiv")), Some("Asia/Tokyo".into()));
    assert_eq!(zone(&format!("CRON_TZ=No/Where\n{line}"), None), None);
}

proptest! {
    /// A prefix that nothing else has, and what people put into passwords.
    #[test]
    fn the_password_comes_out_nowhere(tail in "[a-zA-Z0-9@:/!#$%&?=+.,;'\" \\\\~-]{0,12}", form in 0usize..14) {
        let password = format!("Zq9x{tail}");
        let url = "http://mail.dev:1080/messages";
        let command = match form {
            0 => format!("curl -u anna:{password} -X DELETE {url}"),
            1 => format!("curl -uanna:{password} -XDELETE {url}"),
            2 => format!("curl --user '{password}' --request DELETE {url}"),
            3 => format!("curl --user=\"anna:{password}\" --request=DELETE {url}"),
            4 => format!("curl -X DELETE http://anna:{password}@mail.dev:1080/messages"),
            5 => format!("curl -X DELETE 'http://{password}@mail.dev:1080/messages'"),
            6 => format!("wget --method=DELETE --user=anna --password={password} {url}"),
            7 => format!("http -a anna:{password} DELETE {url}"),
            8 => format!("curl -H 'Authorization: Bearer {password}' -X DELETE {url}"),
            9 => format!("PW={password} sh -c 'curl -u anna:$PW -X DELETE {url}'"),
            10 => format!("curl -X DELETE {url}?token={password}"),
            11 => format!("curl -X DELETE {url} -d {password}"),
            12 => format!("curl -X DELETE http://{password}:1080/messages -u anna"),
            _ => format!("curl -sSu {password} -X DELETE {url}"),
        };
        for line in [
            format!("0 3 * * * {command}"),
            format!("0 3 * * * root {command}"),
            format!("0 3 * * {command}"),
            format!("@daily {command}\n@reboot {command}"),
            format!("PASS={password}\nMAILTO={password}\nCRON_TZ=UTC\n0 3 * * * {}", command.replace(&password, "$PASS")),
        ] {
            let out = everything(&line);
            prop_assert!(!out.to_ascii_lowercase().contains("zq9x"), "{line}\n{out}");
        }
    }

    #[test]
    fn no_crontab_panics(content: String) {
        let _ = everything(&content);
    }
}
