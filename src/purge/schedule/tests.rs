use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

fn cron(text: &str, zone: &str) -> Schedule {
    Schedule::cron(text, TimeZone::get(zone).unwrap()).unwrap()
}

/// The next runs, as `schedule` tells them.
fn runs(text: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let schedule = cron(text, zone);
    let local = |run: Timestamp| run.to_zoned(schedule.zone().clone()).strftime("%F %H:%M %z").to_string();
    schedule.runs(from.parse().unwrap()).take(count).map(local).collect()
}

#[test]
fn a_fixed_time_that_is_skipped_runs_at_the_first_instant_after() {
    let paris = "Europe/Paris";
    assert_eq!(
        runs("30 2 * * *", paris, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29 03:00 +0200", "2026-03-30 02:30 +0200"]
    );
    // Two that fall together are one.
    assert_eq!(
        runs("0,30 2,3 * * *", paris, "2026-03-28T12:00:00Z", 3),
        ["2026-03-29 03:00 +0200", "2026-03-29 03:30 +0200", "2026-03-30 02:00 +0200"]
    );
    assert_eq!(runs("0 0 * * *", "America/Santiago", "2026-09-05T12:00:00Z", 1), ["2026-09-06 01:00 -0300"]);
    assert_eq!(runs("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", 1), ["2026-10-04 02:30 +1100"]);
    // A whole day was skipped.
    assert_eq!(
        runs("0 3 30 12 *", "Pacific/Apia", "2011-12-28T12:00:00Z", 2),
        ["2011-12-31 00:00 +1400", "2012-12-30 03:00 +1400"]
    );
}

#[test]
fn a_fixed_time_that_comes_twice_runs_the_first_time() {
    let expected = ["2026-10-25 02:30 +0200", "2026-10-26 02:30 +0100"];
    assert_eq!(runs("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 2), expected);
    // Asked between the two: it ran.
    assert_eq!(runs("30 2 * * *", "Europe/Paris", "2026-10-25T00:45:00Z", 1), expected[1..]);
    assert_eq!(runs("30 2 * * *", "Europe/Paris", "2026-10-25T01:15:00Z", 1), expected[1..]);
}

#[test]
fn stars_and_steps_follow_real_time() {
    let paris = "Europe/Paris";
    assert_eq!(
        runs("*/15 * * * *", paris, "2026-03-29T00:30:00Z", 3),
        ["2026-03-29 01:45 +0100", "2026-03-29 03:00 +0200", "2026-03-29 03:15 +0200"]
    );
    assert_eq!(runs("*/15 2 * * *", paris, "2026-03-28T12:00:00Z", 1), ["2026-03-30 02:00 +0200"]);
    assert_eq!(
        runs("0 * * * *", paris, "2026-10-25T00:00:00Z", 3),
        ["2026-10-25 02:00 +0100", "2026-10-25 03:00 +0100", "2026-10-25 04:00 +0100"]
    );
    assert_eq!(
        runs("*/20 2 * * *", paris, "2026-10-24T12:00:00Z", 6),
        [
            "2026-10-25 02:00 +0200",
            "2026-10-25 02:20 +0200",
            "2026-10-25 02:40 +0200",
            "2026-10-25 02:00 +0100",
            "2026-10-25 02:20 +0100",
            "2026-10-25 02:40 +0100"
        ]
    );
}

#[test]
fn an_interval_counts_from_1970_whenever_it_is_asked() {
    let hourly = Schedule::every(Duration::from_secs(3600), TimeZone::UTC);
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    for now in ["2026-11-24T10:00:00Z", "2026-11-24T10:00:01Z", "2026-11-24T10:59:59.999Z"] {
        assert_eq!(hourly.after(at(now)), Some(at("2026-11-24T11:00:00Z")), "{now}");
    }
    assert_eq!(hourly.after(at("1969-12-31T23:30:00Z")), Some(at("1970-01-01T00:00:00Z")));
    assert_eq!(hourly.to_string(), "every 1h");
    assert_eq!(Schedule::every(Duration::from_secs(u64::MAX), TimeZone::UTC).after(at("2026-11-24T10:00:00Z")), None);
}

#[test]
fn the_last_run_of_a_long_time_is_found_without_going_through_all() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let minutely = cron("* * * * *", "UTC");
    let (since, now) = (at("1970-01-01T00:00:00Z"), at("2026-11-24T10:00:00Z"));
    let began = std::time::Instant::now();
    assert_eq!(minutely.last_in(since, now), Some(now));
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(minutely.last_in(now, now), None);
    assert_eq!(cron("0 0 29 2 *", "UTC").last_in(since, now), Some(at("2024-02-29T00:00:00Z")));
    assert_eq!(cron("0 3 * * *", "UTC").last_in(at("2026-11-24T03:00:00Z"), now), None);
}

/// What each rule says, minute by minute: slow, and with nothing of the code above but the calendar. Each minute comes with
/// its local time; the first is not asked about.
fn expected(cron: &Cron, minutes: &[(Timestamp, DateTime)]) -> Vec<Timestamp> {
    let mut runs = Vec::new();
    // The local minutes that were, as far as the clock has come: what is behind it has been.
    let mut reached = minutes[0].1;
    for &(at, local) in &minutes[1..] {
        let mut due = cron.follows_real_time() && cron.is_at(local);
        while !cron.follows_real_time() && reached < local {
            reached = reached.checked_add(1.minute()).unwrap();
            due |= cron.is_at(reached);
        }
        if due {
            runs.push(at);
        }
    }
    runs
}

#[test]
fn every_clock_change_of_many_zones_for_years_is_as_the_rules_say() {
    let zones = [
        "Europe/Paris",
        "Europe/Dublin",
        "America/New_York",
        "America/Santiago",
        "America/St_Johns",
        "America/Havana",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Pacific/Chatham",
        "Africa/Casablanca",
        "Africa/Cairo",
        "Asia/Tehran",
        "Asia/Gaza",
        "Asia/Kolkata",
        "Antarctica/Troll",
        "UTC",
    ];
    let expressions = [
        "30 2 * * *",
        "0 0 * * *",
        "15 1 * * *",
        "0,30 0-4 * * *",
        "59 23 * * *",
        "0 * * * *",
        "*/20 * * * *",
        "*/15 2 * * *",
        "0 */2 * * *",
        "45 1-3/2 * * 0",
    ];
    let (first, last) = ("2010-01-01T00:00:00Z".parse().unwrap(), "2027-01-01T00:00:00Z".parse::<Timestamp>().unwrap());
    let mut changes = 0;
    for name in zones {
        let zone = TimeZone::get(name).unwrap();
        for change in zone.following(first).take_while(|change| change.timestamp() < last) {
            changes += 1;
            // Most changes are of an hour; some skip or repeat a day.
            let hours = |at: Timestamp| zone.to_offset(at).seconds() / 3600;
            let moved = hours(change.timestamp()) - hours(change.timestamp() - 1.second());
            let near = if moved.abs() > 3 { 26 } else { 5 };
            let (from, to) = (change.timestamp() - near.hours(), change.timestamp() + near.hours());
            let minutes: Vec<_> = std::iter::successors(Some(from), |at| at.checked_add(1.minute()).ok())
                .take_while(|at| *at <= to)
                .map(|at| (at, zone.to_datetime(at)))
                .collect();
            for text in expressions {
                let schedule = cron(text, name);
                let When::Cron(parsed) = &schedule.when else { unreachable!() };
                let found: Vec<_> = schedule.runs(from).take_while(|run| *run <= to).collect();
                assert_eq!(found, expected(parsed, &minutes), "{text} {name} {}", change.timestamp());
            }
        }
    }
    assert!(changes > 350, "{changes}");
}

proptest! {
    #[test]
    fn runs_are_after_what_was_asked_and_the_same_from_wherever_one_asks(
        minute in 0u8..60, hour in prop_oneof!["\\*", "[0-9]", "\\*/[2-7]"], start in 1_600_000_000i64..1_900_000_000, step in 1i64..200_000,
    ) {
        let schedule = cron(&format!("{minute} {hour} * * *"), "Australia/Lord_Howe");
        let (early, late) = (Timestamp::from_second(start).unwrap(), Timestamp::from_second(start + step).unwrap());
        let run = schedule.after(early).unwrap();
        prop_assert!(run > early);
        let later = schedule.after(late).unwrap();
        prop_assert!(later >= run);
        if run > late {
            prop_assert_eq!(run, later);
        }
    }
}
