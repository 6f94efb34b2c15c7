//! What a page is told of a purge, and when.

use super::*;

/// The next thing our script is told.
async fn told(browser: &mut DuplexStream) -> serde_json::Value {
    let (opcode, payload) = next(browser, Sender::Server).await;
    assert_eq!(opcode, Opcode::Text);
    serde_json::from_slice(&payload).unwrap()
}

/// The next event of our own: the messages that are gone.
async fn gone(browser: &mut DuplexStream) -> Vec<u64> {
    let event = told(browser).await;
    assert_eq!(event["type"], "mailwarden");
    event["removed"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect()
}

/// An open tunnel to a page with our script, which has had its first word.
async fn enhanced() -> Ends {
    let mut ends = tunnel_of(1 << 20, true);
    assert_eq!(told(&mut ends.browser).await, serde_json::json!({"type": "mailwarden", "beat": 30_000}));
    ends
}

#[tokio::test(start_paused = true)]
async fn our_script_is_told_at_each_ping_that_the_socket_is_alive_and_never_inside_a_message() {
    let mut ends = enhanced().await;
    let start = Instant::now();
    assert_eq!(next(&mut ends.browser, Sender::Server).await.0, Opcode::Ping);
    assert_eq!(told(&mut ends.browser).await["beat"], 30_000);
    assert_eq!(start.elapsed(), PING * 2);
    // The first fragment of two; the time of two pings passes before the second.
    ends.catcher.write_all(b"\x01\x02in").await.unwrap();
    assert_eq!(exactly(&mut ends.browser, 4).await, b"\x01\x02in");
    for _ in 0..2 {
        let (opcode, payload) = next(&mut ends.browser, Sender::Server).await;
        assert_eq!(opcode, Opcode::Ping);
        ends.browser.write_all(&client(Opcode::Pong, &payload)).await.unwrap();
    }
    ends.catcher.write_all(b"\x80\x01!").await.unwrap();
    assert_eq!(exactly(&mut ends.browser, 3).await, b"\x80\x01!");
    assert_eq!(next(&mut ends.browser, Sender::Server).await.0, Opcode::Ping);
    assert_eq!(told(&mut ends.browser).await["beat"], 30_000);
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_3000_is_one_event_a_second_to_our_script() {
    let Ends { mut browser, mut catcher, inbox, .. } = enhanced().await;
    let purging = inbox.purging(1..=3000, Some(1));
    for id in 1..=3000 {
        catcher.write_all(&removed(id)).await.unwrap();
        if id % 1000 == 0 {
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
    }
    drop(purging);
    for events in 0..3 {
        assert_eq!(gone(&mut browser).await, (events * 1000 + 1..=events * 1000 + 1000).collect::<Vec<_>>());
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Somebody else's deletion is told at once.
    catcher.write_all(&removed(5000)).await.unwrap();
    let sent = Instant::now();
    assert_eq!(exactly(&mut browser, removed(5000).len()).await, removed(5000));
    assert_eq!(sent.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_announced_is_one_event_a_second_too_but_for_the_first_few() {
    let Ends { mut browser, mut catcher, .. } = enhanced().await;
    // 100 a second, for five seconds; then nothing.
    let reader = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.iter().map(Vec::len).sum::<usize>() < 500 {
            let event = told(&mut browser).await;
            let ids = event["removed"].as_array().cloned().unwrap_or_else(|| vec![event["id"].clone()]);
            seen.push(ids.iter().map(|id| id.as_u64().unwrap()).collect::<Vec<_>>());
        }
        (seen, browser)
    });
    for id in 1..=500 {
        catcher.write_all(&removed(id)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (seen, mut browser) = reader.await.unwrap();
    assert_eq!(seen.concat(), (1..=500).collect::<Vec<_>>());
    assert!(seen[..20].iter().all(|event| event.len() == 1), "{:?}", &seen[..20]);
    assert!((24..=26).contains(&seen.len()), "{} events", seen.len());
    // A number that comes again belongs to another mail, however long its event is.
    for recipients in [0, 5000] {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let all: Vec<u8> = (500..=520).flat_map(removed).collect();
        let add = text(&format!(r#"{{"type":"add","message":{{"id":520,"to":"{}"}}}}"#, "x".repeat(recipients)));
        catcher.write_all(&[all.clone(), add.clone()].concat()).await.unwrap();
        assert_eq!(exactly(&mut browser, all.len() - removed(520).len()).await, all[..all.len() - removed(520).len()]);
        assert_eq!(gone(&mut browser).await, [520]);
        assert_eq!(exactly(&mut browser, add.len()).await, add);
    }
}

#[tokio::test(start_paused = true)]
async fn any_other_page_is_told_of_what_nobody_announced_as_it_comes() {
    let Ends { mut browser, mut catcher, .. } = tunnel(1 << 20);
    let all: Vec<u8> = (1..=100).flat_map(removed).collect();
    let sent = Instant::now();
    catcher.write_all(&all).await.unwrap();
    assert_eq!(exactly(&mut browser, all.len()).await, all);
    assert_eq!(sent.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn any_other_page_selects_twice_at_most_whatever_is_selected() {
    // Rows newest first: 15 to 11 and 5 stay. The oldest of the list goes, with nothing below it.
    let doomed: Vec<u64> = (1..=4).chain(6..=10).collect();
    for selected in 1..=15 {
        let Ends { mut browser, mut catcher, inbox, .. } = tunnel(1 << 20);
        let purging = inbox.purging(doomed.clone(), Some(1));
        for id in &doomed {
            catcher.write_all(&removed(*id)).await.unwrap();
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
        drop(purging);
        let mut rows: Vec<u64> = (1..=15).rev().collect();
        let (mut at, mut asked) = (selected, Vec::new());
        for _ in &doomed {
            let (_, payload) = next(&mut browser, Sender::Server).await;
            let event: serde_json::Value = serde_json::from_slice(&payload).unwrap();
            let place = rows.iter().position(|row| Some(*row) == event["id"].as_u64()).unwrap();
            let gone = rows.remove(place);
            if gone == at {
                at = *rows.get(place).unwrap_or(&rows[place.saturating_sub(1)]);
                asked.push(at);
            }
        }
        assert!(!doomed.contains(&at) && asked.len() <= 2, "{selected}: {asked:?}");
        assert!(asked.iter().all(|id| !doomed.contains(id) || *id == 1), "{selected}: {asked:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_with_the_number_of_one_that_went_is_added_after_that() {
    let Ends { mut browser, mut catcher, inbox, .. } = tunnel(1 << 16);
    // Also that of the one that is kept for last.
    let _purging = inbox.purging([7], Some(7));
    let add = text(r#"{"type":"add","message":{"id":7}}"#);
    catcher.write_all(&[removed(7), add.clone()].concat()).await.unwrap();
    let want = [removed(7), add].concat();
    assert_eq!(exactly(&mut browser, want.len()).await, want);
}

#[tokio::test(start_paused = true)]
async fn what_is_withheld_is_forgotten_at_a_clear() {
    let Ends { mut browser, mut catcher, inbox, .. } = tunnel(1 << 16);
    let purging = inbox.purging([7], None);
    let clear = text(r#"{"type":"clear"}"#);
    catcher.write_all(&[removed(7), clear.clone()].concat()).await.unwrap();
    drop(purging);
    assert_eq!(exactly(&mut browser, clear.len()).await, clear);
    assert_eq!(next(&mut browser, Sender::Server).await.0, Opcode::Ping);
}
