//! `sidetone phone register`: registers, refreshes, takes a call meanwhile. Shell.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use phone::{Command, Event};

use super::handset::Handset;
use super::{Conversation, Identity, Means, Route, Server, Voice, open};
use crate::signals::{self, Asked};

#[derive(Debug, Args)]
pub(super) struct RegisterArguments {
    /// The address to register, for example sip:alice@127.0.0.1:5060
    address: String,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    server: Server,
    /// Expiry to ask for; refreshed at half of the granted time
    #[arg(long, default_value = "3600", value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..))]
    expires: u32,
    /// Unregister after this time; without it on Ctrl-C
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Answer one call and unregister when it is over; without it callers get 480
    #[arg(long)]
    answer: bool,
    #[command(flatten)]
    voice: Voice,
}

/// Registers until the time, a signal or a call ends it. Returns whether the registrar accepted the
/// registration and every refresh.
pub(super) fn register(arguments: &RegisterArguments) -> Result<bool, String> {
    let Route { target: address, remote, transport } =
        arguments.server.route(&arguments.address)?;
    let own_user = address.as_sip().map(sip::SipUri::user_lossy).unwrap_or_default();
    if own_user.is_empty() {
        return Err(format!("{address} has no user: write sip:USER@HOST"));
    }
    let local =
        super::handset::local_towards(remote).map_err(|error| format!("{remote}: {error}"))?;
    let user = arguments.identity.user.as_deref().unwrap_or(&own_user);
    let means = Means { listen: (local, 0).into(), transport, ca: arguments.server.ca.clone() };
    let mut handset =
        open(user, &arguments.identity.password, &arguments.voice, means, arguments.answer)?;
    let stay = Stay {
        conversation: Conversation::new(&arguments.voice, None)?,
        asked: signals_received().map_err(|error| error.to_string())?,
        enough_after: super::seconds(arguments.seconds),
        answers: arguments.answer,
        outcome: Outcome::default(),
    };
    println!("listening at sip:{user}@{}", handset.local());
    handset.register(address, remote, arguments.expires);
    stay.run(&mut handset).map_err(|error| error.to_string())
}

/// What happened while registered.
#[derive(Default)]
struct Outcome {
    was_registered: bool,
    was_refused: bool,
    had_call: bool,
}

/// The time for which a phone is registered.
struct Stay {
    conversation: Conversation,
    /// Signals received so far: one ends the registration, a second one does not wait for the server.
    asked: Arc<AtomicU8>,
    enough_after: Option<Duration>,
    answers: bool,
    outcome: Outcome,
}

impl Stay {
    fn run(mut self, handset: &mut Handset) -> io::Result<bool> {
        let began = Instant::now();
        while handset.has_registration() && !self.is_enough(handset, began) {
            self.turn(handset)?;
        }
        handset.command(Command::HangUp);
        handset.command(Command::Unregister);
        while handset.has_registration() || handset.is_busy() {
            if self.asked.load(Ordering::Relaxed) > 1 {
                break;
            }
            self.turn(handset)?;
        }
        while let Some(event) = handset.next_event(Duration::ZERO)? {
            self.hear(handset, event);
        }
        self.conversation.end()?;
        Ok(self.outcome.was_registered && !self.outcome.was_refused)
    }

    fn is_enough(&self, handset: &Handset, began: Instant) -> bool {
        let call_is_over = self.outcome.had_call && !handset.is_busy();
        self.asked.load(Ordering::Relaxed) > 0
            || self.enough_after.is_some_and(|most| began.elapsed() >= most)
            || (self.answers && call_is_over)
    }

    fn turn(&mut self, handset: &mut Handset) -> io::Result<()> {
        if let Some(event) = handset.next_event(Duration::from_millis(100))? {
            self.hear(handset, event);
        }
        Ok(())
    }

    fn hear(&mut self, handset: &mut Handset, event: Event) {
        let is_call = matches!(event, Event::Incoming { .. });
        self.outcome.was_registered |= matches!(event, Event::Registered { .. });
        self.outcome.was_refused |= matches!(event, Event::RegisterRefused { .. });
        self.outcome.had_call |= is_call;
        self.conversation.hear(handset, event);
        if is_call && !self.answers {
            handset.command(Command::Refuse { status: 480 });
        }
    }
}

/// Counts SIGINT and SIGTERM, up to 2.
fn signals_received() -> io::Result<Arc<AtomicU8>> {
    let heard = Arc::new(AtomicU8::new(0));
    let counter = Arc::clone(&heard);
    signals::listen(move |asked| match asked {
        Asked::Drain => counter.store(1, Ordering::Relaxed),
        Asked::End => counter.store(2, Ordering::Relaxed),
        Asked::Reload => {}
    })?;
    Ok(heard)
}
