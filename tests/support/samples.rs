//! Six mails such as programs under development send: what the demo's inbox shows.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::catcher::Mail;

/// A small picture, sent inline: the catcher's own icon will do.
const PICTURE: &[u8] = include_bytes!("catcher/page/favicon.ico");

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Oldest first, as they would have come.
pub(crate) fn six() -> Vec<Mail> {
    vec![
        nightly_report().from("<cron@build.example>").to(&["<team@shop.example>"]).aged(ago(26 * HOUR)),
        invoice().from("<billing@shop.example>").to(&["<anna@customer.example>"]).aged(ago(3 * HOUR)),
        password_reset().from("<no-reply@shop.example>").to(&["<ben@customer.example>"]).aged(ago(95 * MINUTE)),
        not_ascii().from("<hilfe@shop.example>").to(&["<käthe@kunde.example>"]).aged(ago(40 * MINUTE)),
        newsletter()
            .from("<news@shop.example>")
            .to(&["<anna@customer.example>", "<ben@customer.example>", "<chloe@customer.example>"])
            .aged(ago(12 * MINUTE)),
        welcome().from("<hello@shop.example>").to(&["<chloe@customer.example>"]).aged(ago(2 * MINUTE)),
    ]
}

fn ago(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Plain text with an address in it, which the page turns into a link.
fn nightly_report() -> Mail {
    mail(
        "Nightly build 1482: all 912 tests passed",
        "Content-Type: text/plain; charset=utf-8",
        "Build 1482 took 6 min 12 s.\n\n  912 passed\n    0 failed\n    3 skipped\n\n\
         Log: https://build.example/1482/log\n",
    )
}

/// An attachment.
fn invoice() -> Mail {
    let text = "Dear Anna,\n\nyour invoice for March is attached.\n\nThe shop\n";
    let table = "Item,Quantity,Price\nTea pot,1,34.00\nGreen tea,3,8.50\nTotal,,59.50\n";
    let parts = [
        part("Content-Type: text/plain; charset=utf-8", text),
        part(
            "Content-Type: text/csv; charset=utf-8\n\
             Content-Disposition: attachment; filename=\"invoice-2026-03.csv\"\n\
             Content-ID: <invoice@shop.example>",
            table,
        ),
    ];
    multipart("Your invoice for March", "mixed", &parts)
}

/// HTML and nothing else.
fn password_reset() -> Mail {
    mail(
        "Reset your password",
        "Content-Type: text/html; charset=utf-8",
        "<div style=\"font: 16px sans-serif; max-width: 32em; margin: 2em auto\">\n\
         <h2>Forgot your password?</h2>\n\
         <p>It happens. This link is good for one hour:</p>\n\
         <p><a style=\"background: #b4561f; color: white; padding: .6em 1.2em; border-radius: 6px; \
         text-decoration: none\" href=\"https://shop.example/reset/4f1c\">Choose a new one</a></p>\n\
         <p>If you did not ask for it, nothing has changed and there is nothing to do.</p>\n</div>\n",
    )
}

/// A subject and a text with more than ASCII in them.
fn not_ascii() -> Mail {
    let subject =
        format!("=?utf-8?B?{}?=", BASE64_STANDARD.encode("Ihre Bestellung ist unterwegs – grüße aus Köln ☕"));
    mail(
        &subject,
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit",
        "Guten Tag Käthe,\n\nIhr Päckchen hat unser Lager verlassen.\n\n\
         Sendung: https://paket.example/JJD0003\n\nSchöne Grüße\n",
    )
}

/// The same thing twice, as HTML and as text.
fn newsletter() -> Mail {
    let parts = [
        part(
            "Content-Type: text/plain; charset=utf-8",
            "Three new teas this spring: Sencha, Darjeeling and a mint from the garden.\n\nhttps://shop.example/spring\n",
        ),
        part(
            "Content-Type: text/html; charset=utf-8",
            "<div style=\"font: 16px sans-serif; max-width: 36em; margin: 2em auto\">\n\
             <h2 style=\"color: #4d7c0f\">Three new teas this spring</h2>\n<ul><li>Sencha</li><li>Darjeeling</li>\
             <li>Mint from the garden</li></ul>\n<p><a href=\"https://shop.example/spring\">See them all</a></p>\n</div>\n",
        ),
    ];
    multipart("Three new teas this spring", "alternative", &parts)
}

/// HTML with a picture that comes with it.
fn welcome() -> Mail {
    let picture: String = BASE64_STANDARD.encode(PICTURE).as_bytes().chunks(76).map(line).collect();
    let parts = [
        part(
            "Content-Type: text/html; charset=utf-8",
            "<div style=\"font: 16px sans-serif; max-width: 36em; margin: 2em auto\">\n\
             <p><img src=\"cid:picture@shop.example\" width=\"64\" height=\"64\" alt=\"an envelope\" \
             style=\"image-rendering: pixelated\"></p>\n<h2>Welcome, Chloé</h2>\n\
             <p>Good to have you with us. <a href=\"https://shop.example/start\">Here is where most people start.</a></p>\n\
             </div>\n",
        ),
        part(
            "Content-Type: image/vnd.microsoft.icon\nContent-Transfer-Encoding: base64\n\
             Content-ID: <picture@shop.example>\nContent-Disposition: inline; filename=\"envelope.ico\"",
            &picture,
        ),
    ];
    multipart("Welcome to the shop", "related", &parts)
}

fn line(bytes: &[u8]) -> String {
    format!("{}\n", String::from_utf8_lossy(bytes))
}

fn mail(subject: &str, headers: &str, body: &str) -> Mail {
    Mail::from_source(format!("Subject: {subject}\nMIME-Version: 1.0\n{headers}\n\n{body}").replace('\n', "\r\n"))
}

fn part(headers: &str, body: &str) -> String {
    format!("--=_next\n{headers}\n\n{body}\n")
}

fn multipart(subject: &str, kind: &str, parts: &[String]) -> Mail {
    let headers = format!("Content-Type: multipart/{kind}; boundary=\"=_next\"");
    mail(subject, &headers, &format!("{}--=_next--\n", parts.concat()))
}
