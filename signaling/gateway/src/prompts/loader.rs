//! Loads prompts and keeps them. Shell, on tokio.

use std::sync::Arc;
use std::time::Duration;

use call::tone::Tone;
use call::webhook::WebUrl;
use call::{PromptFailure, PromptSource};
use parking_lot::Mutex;
use plane::g711;
use shared::{AccountSid, Prompt};
use tokio::time::Instant;

use super::audio::{self, AudioError};
use super::cache::Cache;
use crate::speech::{SpeechError, SpeechService, choose};
use crate::webhook::{Fetched, MediaRequest, Permits, Validators, WebhookClient, WebhookFailure};

/// Spoken texts kept, in bytes of both codecs: about an hour of speech.
const SPEECH_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Files kept, in bytes of both codecs: about two hours.
const FILES_BYTES_MAX: usize = 128 * 1024 * 1024;
/// Longest that a file may say it stays fresh.
const FRESH_MAX: Duration = Duration::from_secs(24 * 3_600);
/// Files being decoded at once.
const DECODERS_MAX: usize = 2;

/// A prompt that can be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedPrompt {
    /// The audio.
    pub prompt: Arc<Prompt>,
    /// A sentence for the warning 13511, when another voice or language was asked for.
    pub fell_back: Option<String>,
}

/// Loads prompts. Cheap to clone; all clones share what is kept.
#[derive(Clone)]
pub struct PromptLoader {
    inner: Arc<Inner>,
}

struct Inner {
    client: WebhookClient,
    speech: Result<SpeechService, SpeechError>,
    spoken: Mutex<Cache<SpeechKey, Arc<Prompt>>>,
    files: Mutex<Cache<FileKey, KeptFile>>,
    /// One load at a time for each text and for each file; the others find it kept.
    speaking: Permits<SpeechKey>,
    fetching: Permits<FileKey>,
    decoders: tokio::sync::Semaphore,
}

/// Text and code of the language that speaks it.
type SpeechKey = (String, &'static str);
/// Accounts do not see each other's files: an answer may depend on the signature.
type FileKey = (AccountSid, String);

#[derive(Clone)]
struct KeptFile {
    prompt: Arc<Prompt>,
    validators: Validators,
    fresh_until: Instant,
}

impl PromptLoader {
    /// A loader that fetches with `client`. Where there is no speech service, its error is what every
    /// `<Say>` fails with.
    pub fn new(client: WebhookClient, speech: Result<SpeechService, SpeechError>) -> Self {
        Self {
            inner: Arc::new(Inner {
                client,
                speech,
                spoken: Mutex::new(Cache::new(SPEECH_BYTES_MAX)),
                files: Mutex::new(Cache::new(FILES_BYTES_MAX)),
                speaking: Permits::new(1),
                fetching: Permits::new(1),
                decoders: tokio::sync::Semaphore::new(DECODERS_MAX),
            }),
        }
    }

    /// Makes a prompt ready. A file takes 60 s at most, speech 20 s; waiting for another call that
    /// loads the same counts from anew.
    ///
    /// # Errors
    /// With the contract's code: 112xx and 11750 for a fetch, 13420 for a file that cannot be played,
    /// 13520 and 13521 for a text, 12400 where this gateway is to blame.
    pub async fn load(
        &self,
        source: PromptSource,
        who: &MediaRequest,
    ) -> Result<LoadedPrompt, PromptFailure> {
        let inner = &self.inner;
        let prompt = match source {
            PromptSource::Say { text, voice, language } => {
                return inner.speak(text, &voice, &language).await;
            }
            PromptSource::Url(url) => inner.file(&url, who).await?,
            PromptSource::Audio { content_type, body } => inner.decode(content_type, body).await?,
            PromptSource::Tone(tone) => Arc::new(g711::prompt(&tone_samples(tone))),
        };
        Ok(LoadedPrompt { prompt, fell_back: None })
    }
}

impl Inner {
    async fn speak(
        &self,
        text: String,
        voice: &str,
        language: &str,
    ) -> Result<LoadedPrompt, PromptFailure> {
        let choice = choose(voice, language);
        let key = (text, choice.language.code());
        let fell_back = choice.fell_back;
        let find = || self.spoken.lock().find(&key);
        if let Some(prompt) = find() {
            return Ok(LoadedPrompt { prompt, fell_back });
        }
        let _turn = self.speaking.enter(key.clone()).await;
        if let Some(prompt) = find() {
            return Ok(LoadedPrompt { prompt, fell_back });
        }
        let speech = self.speech.as_ref().map_err(speech_failure)?;
        let spoken = speech.speak(&key.0, voice, language).await;
        let spoken = spoken.map_err(|error| speech_failure(&error))?;
        if spoken.samples.is_empty() {
            return Err(failure(13_520, "the text has nothing that can be spoken".to_owned()));
        }
        let prompt = Arc::new(g711::prompt(&spoken.samples));
        let bytes = bytes_of(&prompt) + key.0.len();
        self.spoken.lock().keep(key, prompt.clone(), bytes);
        Ok(LoadedPrompt { prompt, fell_back: spoken.fell_back })
    }

    async fn file(&self, url: &WebUrl, who: &MediaRequest) -> Result<Arc<Prompt>, PromptFailure> {
        let key = (who.account, key_of(url));
        let fresh = |kept: &KeptFile| kept.fresh_until > Instant::now();
        if let Some(kept) = self.files.lock().find(&key).filter(fresh) {
            return Ok(kept.prompt);
        }
        let _turn = self.fetching.enter(key.clone()).await;
        let kept = self.files.lock().find(&key);
        if let Some(kept) = kept.as_ref().filter(|kept| fresh(kept)) {
            return Ok(kept.prompt.clone());
        }
        let validators = kept.as_ref().map(|kept| kept.validators.clone()).unwrap_or_default();
        let fetched =
            self.client.fetch_media(url, who, &validators).await.map_err(fetch_failure)?;
        let prompt = match (fetched.status, kept) {
            (304, Some(kept)) => kept.prompt,
            (200..=299, _) => {
                let media_type =
                    call::content::media_type(fetched.content_type.as_deref().unwrap_or(""));
                self.decode(media_type, fetched.body.as_slice().into()).await?
            }
            (status, _) => {
                return Err(failure(
                    11_200,
                    format!("the media file answered with status {status}"),
                ));
            }
        };
        self.keep_file(key, &fetched, &prompt);
        Ok(prompt)
    }

    /// Keeps what may be kept: with a time to live, or with something to ask by whether it is still good.
    fn keep_file(&self, key: FileKey, fetched: &Fetched, prompt: &Arc<Prompt>) {
        let Some(fresh) = freshness(&fetched.cache_control) else { return };
        let can_ask = fetched.validators != Validators::default();
        if fresh.is_zero() && !can_ask {
            return;
        }
        let bytes = bytes_of(prompt) + key.1.len();
        let kept = KeptFile {
            prompt: prompt.clone(),
            validators: fetched.validators.clone(),
            fresh_until: Instant::now() + fresh,
        };
        self.files.lock().keep(key, kept, bytes);
    }

    /// Decodes on a thread that may take long.
    async fn decode(
        &self,
        media_type: String,
        body: Arc<[u8]>,
    ) -> Result<Arc<Prompt>, PromptFailure> {
        let ours = |what: &str| failure(12_400, format!("the file could not be decoded: {what}"));
        let _turn = self.decoders.acquire().await.map_err(|_| ours("the gateway is ending"))?;
        let decoded = tokio::task::spawn_blocking(move || {
            audio::decode(&media_type, &body).map(|samples| g711::prompt(&samples))
        });
        match decoded.await {
            Ok(Ok(prompt)) => Ok(Arc::new(prompt)),
            Ok(Err(error)) => Err(audio_failure(&error)),
            Err(_) => Err(ours("the decoder broke down")),
        }
    }
}

/// How long a file is fresh (RFC 9111 §5.2.2); zero = ask each time; `None` = not to be kept.
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

/// One period of a tone, to be repeated for as long as it is wanted.
fn tone_samples(tone: Tone) -> Vec<i16> {
    match tone {
        Tone::Beep => plane::tone::Tone::BEEP.samples(),
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

/// URL and credentials: another user may get another file.
fn key_of(url: &WebUrl) -> String {
    let credentials = url.basic_auth().map(|(user, password)| format!("{user}:{password} "));
    credentials.unwrap_or_default() + &url.wire(None)
}

fn bytes_of(prompt: &Prompt) -> usize {
    prompt.mulaw.len() + prompt.alaw.len()
}

fn speech_failure(error: &SpeechError) -> PromptFailure {
    let code = match error {
        SpeechError::TooLong(_) => 13_521,
        SpeechError::Unspeakable(_) => 13_520,
        SpeechError::EngineNotBuilt(_)
        | SpeechError::Unavailable(_)
        | SpeechError::Busy
        | SpeechError::Timeout(_) => 12_400,
    };
    failure(code, error.to_string())
}

fn audio_failure(error: &AudioError) -> PromptFailure {
    failure(13_420, error.to_string())
}

fn fetch_failure(error: WebhookFailure) -> PromptFailure {
    failure(error.code, error.sentence)
}

fn failure(code: u32, sentence: String) -> PromptFailure {
    PromptFailure { code, sentence }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use call::tone::RingTone;
    use shared::CallSid;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::dns::Resolver;
    use crate::webhook::WebhookSettings;

    #[tokio::test]
    async fn a_file_is_fetched_once_for_many_calls_and_asked_again_by_its_etag() {
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
        // All asked, but only the first got the file: the others were told 304.
        assert_eq!((server.count(200), server.count(304)), (1, 7));
    }

    #[tokio::test]
    async fn a_fresh_file_is_not_asked_for_again_and_no_store_is_never_kept() {
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
        let server = Server::start("audio/mpeg", "").await;
        let failure = loader().load(PromptSource::Url(server.url()), &who()).await.unwrap_err();
        assert_eq!(failure.code, 13_420);
        assert!(failure.sentence.contains("audio/mpeg"), "{failure:?}");
        let missing = WebUrl::parse(&format!("{}missing", server.url().wire(None))).unwrap();
        let failure = loader().load(PromptSource::Url(missing), &who()).await.unwrap_err();
        assert_eq!(failure.code, 11_200);
        let link_local = WebUrl::parse("http://169.254.169.254/a.wav").unwrap();
        let failure = loader().load(PromptSource::Url(link_local), &who()).await.unwrap_err();
        assert_eq!(failure.code, 11_210);
    }

    #[tokio::test]
    async fn tones_and_audio_bodies_are_prompts_and_speech_without_an_engine_says_why() {
        let ring = RingTone { name: "us", hertz: [440, 480], cadence_ms: [2_000, 4_000, 0, 0] };
        let loaded = loader().load(PromptSource::Tone(Tone::Ring(ring)), &who()).await.unwrap();
        assert_eq!(loaded.prompt.duration_ms(), 6_000);
        let body = PromptSource::Audio {
            content_type: "audio/basic".to_owned(),
            body: vec![0; 80].into(),
        };
        assert_eq!(loader().load(body, &who()).await.unwrap().prompt.duration_ms(), 10);
        let say = PromptSource::Say {
            text: "a".to_owned(),
            voice: String::new(),
            language: String::new(),
        };
        let failure = loader().load(say, &who()).await.unwrap_err();
        assert_eq!(failure.code, 12_400);
        assert!(failure.sentence.contains("speech.engine"), "{failure:?}");
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
        let client = WebhookClient::new(settings, resolver).unwrap();
        PromptLoader::new(
            client,
            Err(SpeechError::EngineNotBuilt(shared::config::SpeechEngine::Http)),
        )
    }

    fn who() -> MediaRequest {
        MediaRequest { account: AccountSid(1), call: CallSid(1), auth_token: "token".to_owned() }
    }
}
