//! Audio of relays: texts by a voice, files by a GET. Shell, on tokio.
//!
//! The thread of the streams orders it and never waits. Each order becomes a task that brings the audio back piece by
//! piece and ends with exactly one `Done` or `Failed`. A relay has one order at a time: the next one, or the relay's
//! end, ends a task whose audio an interruption has made useless. So there are as few tasks as streams, and no voice
//! speaks for nobody while others wait.

use std::time::Duration;

use call::relay::{Making, SpeakOrder, SpeakSource};
use call::stream::StreamOpening;
use call::{PromptFailure, PromptSource, Speech};
use parking_lot::Mutex;
use shared::{Code, Codec, StreamSid};
use speech::prompts::PromptLoader;
use store::Secret;
use streams::{Speaker, StreamOpener};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use webhook::MediaRequest;

/// What makes the audio of one relay. Files are fetched in the name of its call.
pub fn speaker(
    runtime: &Handle,
    prompts: PromptLoader,
    opener: StreamOpener,
    opening: &StreamOpening,
    auth_token: &Secret,
) -> Speaker {
    let StreamOpening { stream, account, call, .. } = *opening;
    let auth_token = auth_token.expose_secret().to_owned();
    let who = MediaRequest { account, call, auth_token };
    let runtime = runtime.clone();
    let current = Current::default();
    Speaker::new(move |SpeakOrder { number, source }| {
        let (prompts, opener, who) = (prompts.clone(), opener.clone(), who.clone());
        let task = runtime.spawn(async move {
            let end = make_audio(&prompts, &opener, &who, (stream, number), source).await;
            deliver(&opener, stream, number, end).await;
        });
        current.replace_by(task.abort_handle());
    })
}

/// The task of the last order.
#[derive(Default)]
struct Current(Mutex<Option<AbortHandle>>);

impl Current {
    fn replace_by(&self, next: AbortHandle) {
        if let Some(before) = self.0.lock().replace(next) {
            before.abort();
        }
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        if let Some(last) = self.0.get_mut() {
            last.abort();
        }
    }
}

/// Makes audio for a relay and hands it on piece by piece; how that ended.
async fn make_audio(
    prompts: &PromptLoader,
    opener: &StreamOpener,
    who: &MediaRequest,
    (stream, number): (StreamSid, u64),
    source: SpeakSource,
) -> Making {
    let made = match source {
        SpeakSource::Text { text, voice, language } => {
            let mut is_lost = false;
            let mut hear = |audio: &[u8]| {
                let piece = Making::Audio(audio.to_vec());
                is_lost |= opener.making(stream, number, piece).is_err();
            };
            let speech = Speech::plain(text);
            let spoken = prompts.speak_to(speech, &voice, &language, &mut hear).await;
            match is_lost {
                true => return Making::Failed(Code::RELAY_INTERNAL, BEHIND.to_owned()),
                false => spoken,
            }
        }
        SpeakSource::File(url) => match prompts.load(PromptSource::Url(*url), who).await {
            Ok(loaded) => {
                let audio = loaded.prompt.samples(Codec::Pcmu).to_vec();
                deliver(opener, stream, number, Making::Audio(audio)).await;
                Ok(None)
            }
            Err(failure) => Err(failure),
        },
    };
    match made {
        Ok(note) => Making::Done(note),
        Err(PromptFailure { code, sentence }) => Making::Failed(code, sentence),
    }
}

/// Waits for room in the queue of the streams, up to 30 s: without its end a relay would wait for ever.
async fn deliver(opener: &StreamOpener, stream: StreamSid, number: u64, mut making: Making) {
    for _ in 0..DELIVERIES_MAX {
        match opener.making(stream, number, making) {
            Ok(()) => return,
            Err(back) => making = back,
        }
        tokio::time::sleep(DELIVERY_PAUSE).await;
    }
}

const DELIVERIES_MAX: usize = 6_000;
const DELIVERY_PAUSE: Duration = Duration::from_millis(5);
const BEHIND: &str = "the thread of the streams is behind: audio is lost";

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn the_next_order_and_the_end_of_a_relay_end_the_task_before() {
        let current = Current::default();
        let begin = || {
            let (alive, gone) = oneshot::channel::<()>();
            let task = tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(alive);
            });
            current.replace_by(task.abort_handle());
            gone
        };
        let (first, mut second) = (begin(), begin());
        assert!(first.await.is_err(), "it was ended");
        assert!(second.try_recv().is_err_and(|it| it == oneshot::error::TryRecvError::Empty));
        drop(current);
        assert!(second.await.is_err());
    }
}
