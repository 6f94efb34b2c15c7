//! The answer to a password that is verified, and when it may leave: so that no wrong one shows whether the name exists.

use tokio::time::{Instant, sleep, timeout_at};

use super::super::credentials::Credentials;
use super::super::late::TICK;
use super::super::throttle::{Attempt, Class, LONGEST, Ticket};
use super::super::verify::{Asked, Claim, NoAnswer};
use super::{Authenticator, Clock, Question};

/// An answer, and the moment at which it leaves if the password is not right; none if as soon as that is known.
pub(super) type Timed = (Result<bool, NoAnswer>, Option<Instant>);

impl Authenticator {
    /// Whether the password is right, as far as there is an answer before a refusal has to leave.
    pub(super) async fn answer(
        &self,
        question: &Question<'_>,
        credentials: &Credentials,
        attempt: &Attempt,
        ticket: Ticket,
        clock: Clock,
    ) -> Timed {
        if ticket.is_in_a_crowd() {
            return self.answer_in_a_crowd(question, credentials, attempt, ticket.class, clock).await;
        }
        let answer = self.hashed(question, credentials, attempt, ticket.class);
        match ticket.patience() {
            Some(patience) => {
                let leaves = clock.arrived + patience;
                (timeout_at(leaves, answer).await.unwrap_or(Err(NoAnswer::Crowded)), Some(leaves))
            }
            None => (answer.await, None),
        }
    }

    /// As long as nobody is known to guess there, everybody waits for his turn, whoever he says he is. Once somebody is,
    /// names that exist go first, and nothing that is not right leaves but every 6.4 s from its own arrival, so that who
    /// went first is not seen.
    async fn answer_in_a_crowd(
        &self,
        question: &Question<'_>,
        credentials: &Credentials,
        attempt: &Attempt,
        mut class: Class,
        clock: Clock,
    ) -> Timed {
        let mut leaves = clock.arrived + LONGEST;
        let mut is_guessed_at = false;
        let by_now = || self.throttle.class_by_now(attempt, question.user.is_some(), clock.now());
        loop {
            let mut answer = std::pin::pin!(self.hashed(question, credentials, attempt, class));
            loop {
                let answer = timeout_at(leaves.min(Instant::now() + TICK), answer.as_mut()).await;
                if let Some(by_now) = by_now() {
                    if by_now == Class::Guessing && class == Class::Crowd {
                        self.verifier.promote(claim(attempt, by_now));
                    }
                    (class, is_guessed_at) = (by_now, true);
                }
                match answer {
                    Ok(Err(NoAnswer::Crowded)) => break,
                    Ok(answer) => return (answer, is_guessed_at.then_some(leaves)),
                    Err(_) if Instant::now() < leaves => {}
                    Err(_) if is_guessed_at => return (Err(NoAnswer::Crowded), Some(leaves)),
                    Err(_) => leaves += LONGEST,
                }
            }
            // No place; there may be one at the next tick, or another right to one.
            if Instant::now() + TICK >= leaves {
                tokio::time::sleep_until(leaves).await;
                is_guessed_at |= by_now().is_some();
                return (Err(NoAnswer::Crowded), is_guessed_at.then_some(leaves));
            }
            sleep(TICK).await;
            if let Some(by_now) = by_now() {
                (class, is_guessed_at) = (by_now, true);
            }
        }
    }

    async fn hashed(
        &self,
        question: &Question<'_>,
        credentials: &Credentials,
        attempt: &Attempt,
        class: Class,
    ) -> Result<bool, NoAnswer> {
        let asked = Asked::new(&self.key, question.hash.clone(), credentials.user(), credentials.password());
        self.verifier.verify(claim(attempt, class), asked).await
    }
}

fn claim(attempt: &Attempt, class: Class) -> Claim {
    Claim { network: attempt.turn(), name: attempt.name(), class }
}
