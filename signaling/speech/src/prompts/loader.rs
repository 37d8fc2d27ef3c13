//! Loads prompts and caches them. Shell, on tokio.
//!
//! Every prompt has a [`Key`]. A cached prompt is returned at once. Otherwise a load in progress for the
//! key is shared ([`Flights`]), also if it fails, and without one a load starts. The audio counts against
//! the memory for audio ([`AudioMemory`]) for as long as a call plays it or the cache keeps it. When that
//! memory is needed, the cache drops the least recently used prompts first.

use std::sync::{Arc, Weak};
use std::time::Duration;

use audio::{AudioMemory, Charge};
use call::tone::Tone;
use call::webhook::WebUrl;
use call::{PromptFailure, PromptSource, Speech};
use parking_lot::Mutex;
use plane::g711;
use shared::{AccountSid, Code, Prompt};
use tokio::time::Instant;
use webhook::{Fetched, MediaRequest, Validators, WebhookClient, WebhookFailure};

use super::cache::Cache;
use super::flights::Flights;
use crate::error::SpeechError;
use crate::filling::Hearer;
use crate::voice::{Route, VoiceChoice};
use crate::voices::{Spoken, Voices};

/// Longest freshness that a file may declare.
const FRESH_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Time to wait for the memory of a tone, which is small.
const TONE_MAX: Duration = Duration::from_secs(5);
/// Bytes of a cache entry besides its prompt and its key.
const ENTRY_BYTES: usize = 1_024;

/// A prompt that can be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedPrompt {
    /// The audio.
    pub prompt: Arc<Prompt>,
    /// The sentence of the warning 13511; `None`: the requested voice and language speaks.
    pub fell_back: Option<String>,
}

/// Loads prompts. Cheap to clone; all clones share the cache.
#[derive(Clone)]
pub struct PromptLoader {
    inner: Arc<Inner>,
}

struct Inner {
    client: WebhookClient,
    voices: Voices,
    memory: AudioMemory,
    kept: Mutex<Cache<Key, Kept>>,
    flights: Flights<Key, Result<LoadedPrompt, PromptFailure>>,
}

/// The identity of a prompt in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// A speech and the voice that speaks it.
    Speech(Speech, Route),
    /// Accounts do not see each other's files: an answer may depend on the signature.
    File(AccountSid, String),
    Tone(Tone),
}

impl Key {
    fn bytes(&self) -> usize {
        match self {
            Self::Speech(speech, route) => {
                let voice = route.voice.len() + route.language.len();
                speech.words().len() + size_of_val(&*speech.parts) + voice
            }
            Self::File(_, text) => text.len(),
            Self::Tone(_) => 0,
        }
    }
}

#[derive(Clone)]
struct Kept {
    prompt: Arc<Prompt>,
    /// For a file: its validators, and the end of its freshness.
    validators: Validators,
    /// `None`: never stale.
    fresh_until: Option<Instant>,
    _charge: Arc<Charge>,
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.fresh_until.is_none_or(|until| until > Instant::now())
    }
}

impl PromptLoader {
    /// A loader that fetches with `client`, speaks with `voices` and charges audio to the memory of the
    /// client's intake.
    pub fn new(client: WebhookClient, voices: Voices) -> Self {
        let memory = client.intake().memory().clone();
        let inner = Arc::new(Inner {
            client,
            voices,
            memory: memory.clone(),
            kept: Mutex::new(Cache::new()),
            flights: Flights::new(),
        });
        let keeper = Arc::downgrade(&inner);
        memory.reclaim_by(move || Weak::upgrade(&keeper).is_some_and(|inner| inner.let_go()));
        Self { inner }
    }

    /// Loads a prompt. Takes at most 60 s for a file and 30 s for speech, from the first request that
    /// shares the load, including the wait for memory.
    ///
    /// # Errors
    /// With the code of the contract: 112xx and 11750 for a fetch (11200 also if other audio occupies the
    /// memory), 13420 for a file that cannot be played, 13520 and 13521 for a text, 12400 for a fault of
    /// this gateway.
    pub async fn load(
        &self,
        source: PromptSource,
        who: &MediaRequest,
    ) -> Result<LoadedPrompt, PromptFailure> {
        let inner = &self.inner;
        match source {
            PromptSource::Say { speech, voice, language } => {
                let choice = inner.voices.choose(&voice, &language);
                inner.speech(speech, choice).await
            }
            PromptSource::Url(url) => inner.file(url, who).await,
            PromptSource::Audio(audio) => Ok(LoadedPrompt::of(audio?)),
            PromptSource::Tone(tone) => inner.tone(tone).await,
        }
    }

    /// The voices.
    pub fn voices(&self) -> &Voices {
        &self.inner.voices
    }

    /// Speaks a text to `hearer` while its audio is made, from the cache where it is there. The sentence is that
    /// of the warning 13511.
    ///
    /// # Errors
    /// As [`PromptLoader::load`].
    pub async fn speak_to(
        &self,
        speech: Speech,
        voice: &str,
        language: &str,
        hearer: Hearer<'_>,
    ) -> Result<Option<String>, PromptFailure> {
        let choice = self.inner.voices.choose(voice, language);
        let Some(first) = choice.routes.first().cloned() else { return Err(broke_down()) };
        let key = Key::Speech(speech, first);
        if let Some(kept) = self.inner.kept.lock().find(&key) {
            hearer(&kept.prompt.mulaw);
            return Ok(choice.fell_back);
        }
        let Key::Speech(speech, _) = &key else { return Err(broke_down()) };
        let spoken = self.inner.voices.speak(speech, &choice, hearer).await;
        let Spoken { prompt, instead } = spoken.map_err(|error| speech_failure(&error))?;
        if instead.is_none() {
            self.inner.keep(key, &Arc::new(prompt), Validators::default(), None);
        }
        Ok(instead.or(choice.fell_back))
    }
}

impl LoadedPrompt {
    const fn of(prompt: Arc<Prompt>) -> Self {
        Self { prompt, fell_back: None }
    }
}

impl Inner {
    async fn speech(
        self: &Arc<Self>,
        speech: Speech,
        choice: VoiceChoice,
    ) -> Result<LoadedPrompt, PromptFailure> {
        let Some(first) = choice.routes.first().cloned() else { return Err(broke_down()) };
        let fell_back = choice.fell_back.clone();
        let key = Key::Speech(speech, first);
        if let Some(kept) = self.kept.lock().find(&key) {
            return Ok(LoadedPrompt { prompt: kept.prompt, fell_back });
        }
        let load = self.load_by(&key, move |inner, key| async move {
            let Key::Speech(speech, _) = &key else { return Err(broke_down()) };
            let spoken = inner.voices.speak(speech, &choice, &mut |_| {}).await;
            let Spoken { prompt, instead } = spoken.map_err(|error| speech_failure(&error))?;
            let prompt = Arc::new(prompt);
            // Audio of another engine must not stay when the first one is well again.
            if instead.is_none() {
                inner.keep(key, &prompt, Validators::default(), None);
            }
            Ok(LoadedPrompt { prompt, fell_back: instead })
        });
        let loaded = load.await?;
        // Another request may have begun the load, with another name for the voice.
        Ok(LoadedPrompt { fell_back: loaded.fell_back.or(fell_back), ..loaded })
    }

    async fn tone(self: &Arc<Self>, tone: Tone) -> Result<LoadedPrompt, PromptFailure> {
        let key = Key::Tone(tone);
        if let Some(kept) = self.kept.lock().find(&key) {
            return Ok(LoadedPrompt::of(kept.prompt));
        }
        let load = self.load_by(&key, move |inner, key| async move {
            let Prompt { mulaw, alaw } = g711::prompt(&tone_samples(tone));
            let bytes = mulaw.len() + alaw.len();
            let charge = inner.memory.reserve(bytes, Instant::now() + TONE_MAX).await;
            let mut charge = charge.map_err(|error| failure(Code::INTERNAL, error.to_string()))?;
            let first = charge.split(mulaw.len());
            let [mulaw, alaw] =
                [(first, mulaw), (charge, alaw)].map(|(charge, bytes)| charge.own(bytes.into()));
            let prompt = Arc::new(Prompt { mulaw, alaw });
            inner.keep(key, &prompt, Validators::default(), None);
            Ok(LoadedPrompt::of(prompt))
        });
        load.await
    }

    async fn file(
        self: &Arc<Self>,
        url: WebUrl,
        who: &MediaRequest,
    ) -> Result<LoadedPrompt, PromptFailure> {
        let key = Key::File(who.account, key_of(&url));
        if let Some(kept) = self.kept.lock().find(&key).filter(Kept::is_fresh) {
            return Ok(LoadedPrompt::of(kept.prompt));
        }
        let who = who.clone();
        let load = self.load_by(&key, |inner, key| async move {
            Ok(LoadedPrompt::of(inner.fetch(key, &url, &who).await?))
        });
        load.await
    }

    async fn fetch(
        &self,
        key: Key,
        url: &WebUrl,
        who: &MediaRequest,
    ) -> Result<Arc<Prompt>, PromptFailure> {
        let kept = self.kept.lock().find(&key);
        let validators = kept.as_ref().map(|kept| kept.validators.clone()).unwrap_or_default();
        let fetched =
            self.client.fetch_media(url, who, &validators).await.map_err(fetch_failure)?;
        let Fetched { status, cache_control, validators, audio } = fetched;
        let prompt = match (audio, kept) {
            (Some(audio), _) => Arc::clone(&audio?),
            (None, Some(kept)) if status == 304 => kept.prompt,
            (None, _) => {
                let sentence = format!("the media file answered with status {status}");
                return Err(failure(Code::HTTP_RETRIEVAL, sentence));
            }
        };
        // Cached only with a time to live or with validators: otherwise the copy could never be used
        // again.
        if let Some(fresh) = freshness(&cache_control)
            && (!fresh.is_zero() || validators != Validators::default())
        {
            self.keep(key, &prompt, validators, Some(Instant::now() + fresh));
        }
        Ok(prompt)
    }

    /// Joins the load in progress of this key, or starts one.
    async fn load_by<F>(
        self: &Arc<Self>,
        key: &Key,
        load: impl FnOnce(Arc<Self>, Key) -> F,
    ) -> Result<LoadedPrompt, PromptFailure>
    where
        F: Future<Output = Result<LoadedPrompt, PromptFailure>> + Send + 'static,
    {
        let begin = || load(Arc::clone(self), key.clone());
        self.flights.join(key.clone(), begin).await.unwrap_or_else(|| Err(broke_down()))
    }

    /// Caches a prompt, if there is memory for its entry.
    fn keep(
        &self,
        key: Key,
        prompt: &Arc<Prompt>,
        validators: Validators,
        fresh_until: Option<Instant>,
    ) {
        // The cache holds the key twice.
        let Some(charge) = self.memory.try_reserve(ENTRY_BYTES + 2 * key.bytes()) else { return };
        let prompt = Arc::clone(prompt);
        let kept = Kept { prompt, validators, fresh_until, _charge: Arc::new(charge) };
        self.kept.lock().keep(key, kept);
    }

    /// Drops the least recently used cached prompt that no call plays.
    fn let_go(&self) -> bool {
        // Dropped after the lock is released, because its bytes return to the memory.
        let gone = self.kept.lock().let_go(|kept| Arc::strong_count(&kept.prompt) == 1);
        gone.is_some()
    }
}

fn broke_down() -> PromptFailure {
    failure(Code::INTERNAL, "the load of the prompt broke down".to_owned())
}

/// The freshness of a file (RFC 9111 §5.2.2). Zero: validate at each use. `None`: do not cache.
fn freshness(cache_control: &str) -> Option<Duration> {
    let mut fresh = Duration::ZERO;
    let mut must_ask = false;
    for directive in cache_control.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => return None,
            "no-cache" => must_ask = true,
            "max-age" => {
                let seconds = value.trim().trim_matches('"').parse().unwrap_or(0);
                fresh = Duration::from_secs(seconds).min(FRESH_MAX);
            }
            _ => {}
        }
    }
    Some(if must_ask { Duration::ZERO } else { fresh })
}

/// One period of a tone, to be repeated as long as needed.
fn tone_samples(tone: Tone) -> Vec<i16> {
    match tone {
        Tone::Beep => plane::tone::Tone::BEEP.samples(),
        Tone::HoldMusic => super::music::samples(),
        Tone::Ring(ring) => {
            let [first, second] = ring.hertz.map(f32::from);
            let hertz = [first, if ring.hertz[1] == 0 { first } else { second }];
            let peak = plane::tone::Tone::RINGBACK.peak;
            let part = |on_ms: u16, off_ms: u16| {
                let (on_ms, off_ms) = (on_ms.into(), off_ms.into());
                plane::tone::Tone { hertz, peak, on_ms, off_ms }.samples()
            };
            let [on, off, on_again, off_again] = ring.cadence_ms;
            [part(on, off), part(on_again, off_again)].concat()
        }
    }
}

/// The URL with its credentials: another user may get another file.
fn key_of(url: &WebUrl) -> String {
    let credentials = url.basic_auth().map(|(user, password)| format!("{user}:{password} "));
    credentials.unwrap_or_default() + &url.wire(None)
}

fn speech_failure(error: &SpeechError) -> PromptFailure {
    let code = match error {
        SpeechError::TooLong(_) => Code::SAY_TEXT_LENGTH,
        SpeechError::Unspeakable(_) => Code::SAY_TEXT,
        SpeechError::Engine(..)
        | SpeechError::Unavailable(_)
        | SpeechError::NoRoom(_)
        | SpeechError::Busy(_)
        | SpeechError::Timeout(_) => Code::INTERNAL,
    };
    failure(code, error.to_string())
}

fn fetch_failure(error: WebhookFailure) -> PromptFailure {
    failure(error.code, error.sentence)
}

fn failure(code: Code, sentence: String) -> PromptFailure {
    PromptFailure { code, sentence }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use call::tone::RingTone;
    use shared::CallSid;
    use shared::config::{Config, Layers};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use audio::AudioIntake;
    use webhook::WebhookSettings;
    use webhook::dns::Resolver;

    #[tokio::test]
    async fn a_file_is_fetched_once_for_many_calls_and_revalidated_by_its_etag() {
        let server = Server::start("audio/basic", "ETag: \"1\"\r\n").await;
        let loader = loader();
        let url = server.url();
        let loads = (0..8).map(|_| {
            let (loader, url) = (loader.clone(), url.clone());
            tokio::spawn(async move { loader.load(PromptSource::Url(url), &who()).await })
        });
        for load in loads.collect::<Vec<_>>() {
            assert_eq!(load.await.unwrap().unwrap().prompt.duration_ms(), 100);
        }
        assert_eq!((server.count(200), server.count(304)), (1, 0));
        loader.load(PromptSource::Url(server.url()), &who()).await.unwrap();
        assert_eq!((server.count(200), server.count(304)), (1, 1));
    }

    #[tokio::test]
    async fn calls_that_want_a_file_at_once_share_it_even_where_it_may_not_be_kept() {
        let server = Server::start("audio/basic", "Cache-Control: no-store\r\n").await;
        let loader = loader();
        let load = || {
            let (loader, url) = (loader.clone(), server.url());
            async move { loader.load(PromptSource::Url(url), &who()).await.unwrap().prompt }
        };
        let [first, second] = [tokio::spawn(load()), tokio::spawn(load())];
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(server.count(200), 1);
        assert_eq!(loader.inner.memory.figures().used, 1_600);
        drop((first, second));
        assert_eq!(loader.inner.memory.figures().used, 0);
    }

    #[tokio::test]
    async fn cached_prompts_that_no_call_plays_are_dropped_when_memory_is_needed() {
        let server = Server::start("audio/basic", "Cache-Control: max-age=60\r\n").await;
        let loader = loader();
        let memory = &loader.inner.memory;
        let played = loader.load(PromptSource::Tone(Tone::Beep), &who()).await.unwrap();
        loader.load(PromptSource::Url(server.url()), &who()).await.unwrap();
        let beep = played.prompt.mulaw.len() * 2 + ENTRY_BYTES;
        assert!(memory.figures().used > beep + 1_600);
        let all = memory.figures().bytes_max;
        assert!(memory.try_reserve(all - all / 8 - beep).is_some());
        assert_eq!(memory.figures().used, beep, "the beep plays, the file has gone");
        loader.load(PromptSource::Url(server.url()), &who()).await.unwrap();
        assert_eq!(server.count(200), 2);
    }

    #[tokio::test]
    async fn a_fresh_file_is_not_fetched_again_and_no_store_is_never_cached() {
        for (header, requests) in [
            ("Cache-Control: max-age=60\r\n", 1),
            ("Cache-Control: no-store\r\nETag: \"1\"\r\n", 3),
        ] {
            let server = Server::start("audio/basic", header).await;
            let loader = loader();
            for _ in 0..3 {
                loader.load(PromptSource::Url(server.url()), &who()).await.unwrap();
            }
            assert_eq!(server.count(200), requests, "{header}");
        }
    }

    #[tokio::test]
    async fn a_type_that_is_not_played_is_13420_and_a_missing_file_11200() {
        let server = Server::start("audio/gsm", "").await;
        let failure = loader().load(PromptSource::Url(server.url()), &who()).await.unwrap_err();
        assert_eq!(failure.code, Code::PLAY_CONTENT_TYPE);
        assert!(failure.sentence.contains("audio/gsm"), "{failure:?}");
        let missing = WebUrl::parse(&format!("{}missing", server.url().wire(None))).unwrap();
        let failure = loader().load(PromptSource::Url(missing), &who()).await.unwrap_err();
        assert_eq!(failure.code, Code::HTTP_RETRIEVAL);
        let link_local = WebUrl::parse("http://169.254.169.254/a.wav").unwrap();
        let failure = loader().load(PromptSource::Url(link_local), &who()).await.unwrap_err();
        assert_eq!(failure.code, Code::HTTP_HOST_NAME);
    }

    #[tokio::test]
    async fn tones_and_audio_bodies_are_prompts_and_speech_without_an_engine_says_why() {
        let ring = RingTone { name: "us", hertz: [440, 480], cadence_ms: [2_000, 4_000, 0, 0] };
        let loaded = loader().load(PromptSource::Tone(Tone::Ring(ring)), &who()).await.unwrap();
        assert_eq!(loaded.prompt.duration_ms(), 6_000);
        let body = PromptSource::Audio(Ok(Arc::new(g711::prompt(&[0; 80]))));
        assert_eq!(loader().load(body, &who()).await.unwrap().prompt.duration_ms(), 10);
        let say = PromptSource::Say {
            speech: Speech::plain("a"),
            voice: String::new(),
            language: String::new(),
        };
        let failure = loader().load(say, &who()).await.unwrap_err();
        assert_eq!(failure.code, Code::INTERNAL);
        assert!(failure.sentence.contains("not in this test"), "{failure:?}");
    }

    #[test]
    fn cache_control_is_read_as_http_means_it() {
        assert_eq!(freshness(""), Some(Duration::ZERO));
        assert_eq!(freshness("public, Max-Age=30"), Some(Duration::from_secs(30)));
        assert_eq!(freshness("max-age=30, no-cache"), Some(Duration::ZERO));
        assert_eq!(freshness("max-age=99999999999"), Some(FRESH_MAX));
        assert_eq!(freshness("private, no-store"), None);
    }

    /// Serves 100 ms of mu-law at `/` and 404 elsewhere; counts its answers by status.
    struct Server {
        address: std::net::SocketAddr,
        counts: Arc<Mutex<BTreeMap<u16, usize>>>,
    }

    impl Server {
        async fn start(content_type: &'static str, headers: &'static str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = Self { address: listener.local_addr().unwrap(), counts: Arc::default() };
            let counts = server.counts.clone();
            tokio::spawn(async move {
                loop {
                    let (mut stream, _) = listener.accept().await.unwrap();
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap();
                    let status = match () {
                        () if !head.starts_with("GET / ") => 404,
                        () if head.contains("If-None-Match: \"1\"") => 304,
                        () => 200,
                    };
                    *counts.lock().entry(status).or_default() += 1;
                    let body = if status == 200 { vec![0x80; 800] } else { Vec::new() };
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{headers}\
                         Content-Length: {length}\r\nConnection: close\r\n\r\n"
                    );
                    stream.write_all(head.as_bytes()).await.unwrap();
                    stream.write_all(&body).await.unwrap();
                }
            });
            server
        }

        fn url(&self) -> WebUrl {
            WebUrl::parse(&format!("http://{}/", self.address)).unwrap()
        }

        fn count(&self, status: u16) -> usize {
            self.counts.lock().get(&status).copied().unwrap_or(0)
        }
    }

    fn loader() -> PromptLoader {
        let settings = WebhookSettings {
            user_agent: "test".to_owned(),
            allow_private: vec!["127.0.0.0/8".parse().unwrap()],
            ..WebhookSettings::default()
        };
        let resolver = Resolver::fixed(BTreeMap::new(), BTreeMap::new());
        let client = WebhookClient::new(settings, resolver, AudioIntake::new(0)).unwrap();
        let none = Err(SpeechError::Unavailable("not in this test".to_owned()));
        let config = Config::from_layers(&Layers::default()).unwrap();
        let voices = Voices::new(&config.speech, &config.voices, none, &client);
        PromptLoader::new(client, voices)
    }

    fn who() -> MediaRequest {
        MediaRequest { account: AccountSid(1), call: CallSid(1), auth_token: "token".to_owned() }
    }
}
