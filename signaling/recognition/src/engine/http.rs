//! An engine by `POST /v1/audio/transcriptions`: one request an utterance, when it is whole.
//!
//! OpenAI has the form of it, and faster-whisper's servers, vLLM and others speak it: a multipart form with a WAV file, an answer in
//! JSON. The request goes through the webhook client, whose guard decides which addresses may be connected to. A caller waits for the
//! answer, so there is one retry alone: a service that refuses `verbose_json`, which has the certainty, gets a request for `json` at
//! once and from then on.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use shared::config::RecognitionEngine;
use shared::limits;
use tokio::sync::Semaphore;
use url::Url;
use webhook::{Transfer, TransferAnswer, TransferBounds, Upload, WebhookClient};

use super::form::{Form, transcription};
use super::utterance::{Piece, Text, Utterance, in_time};

/// Such a service.
pub(crate) struct HttpService {
    client: WebhookClient,
    url: Url,
    headers: HeaderMap,
    model: String,
    places: Semaphore,
    /// Whether the service refused `verbose_json` and took `json`.
    is_plain: AtomicBool,
}

impl HttpService {
    pub fn new(
        settings: &RecognitionEngine,
        client: WebhookClient,
        key: Option<String>,
        places: Semaphore,
    ) -> Result<Self, String> {
        let url = Url::parse(&settings.url).map_err(|error| format!("its url: {error}"))?;
        let mut headers = HeaderMap::new();
        if let Some(key) = key {
            let mut value = HeaderValue::try_from(format!("Bearer {key}"))
                .map_err(|_| "its key has characters that no header takes".to_owned())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let model = if settings.model.is_empty() { MODEL } else { &settings.model };
        Ok(Self {
            client,
            url,
            headers,
            model: model.to_owned(),
            places,
            is_plain: AtomicBool::new(false),
        })
    }

    /// Waits for the end of the utterance, then for its text.
    pub async fn recognise(&self, utterance: &mut Utterance) -> Result<Text, String> {
        let (mut samples, mut rooms) = (Vec::new(), Vec::new());
        while let Some(Piece::Audio(piece, room)) = utterance.pieces.recv().await {
            samples.extend_from_slice(&piece);
            rooms.push(room);
        }
        // The audio counts as waiting until the answer.
        let result = in_time(self.ask(&samples, utterance)).await;
        drop(rooms);
        result
    }

    async fn ask(&self, samples: &[i16], utterance: &Utterance) -> Result<Text, String> {
        let _place = self.places.acquire().await.map_err(|error| error.to_string())?;
        let is_plain = self.is_plain.load(Ordering::Relaxed);
        let mut answer = self.post(samples, utterance, is_plain).await?;
        let refusals = [StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY];
        if !is_plain && refusals.contains(&answer.status) {
            let plain = self.post(samples, utterance, true).await?;
            if plain.status == StatusCode::OK {
                self.is_plain.store(true, Ordering::Relaxed);
                answer = plain;
            }
        }
        if answer.status != StatusCode::OK {
            let shown: String =
                String::from_utf8_lossy(&answer.body).chars().take(BODY_SHOWN).collect();
            return Err(format!("status {}: `{shown}`", answer.status.as_u16()));
        }
        transcription(&answer.body)
    }

    async fn post(
        &self,
        samples: &[i16],
        utterance: &Utterance,
        is_plain: bool,
    ) -> Result<TransferAnswer, String> {
        let mut mark = [0; 16];
        shell::random(&mut mark);
        let boundary = format!("sidetone-{}", shell::hex(&mark));
        let form = Form {
            boundary: &boundary,
            model: &self.model,
            language: &utterance.language,
            hints: &utterance.hints,
            response_format: if is_plain { "json" } else { "verbose_json" },
        };
        let mut headers = self.headers.clone();
        let content_type =
            HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        headers.insert(CONTENT_TYPE, content_type.map_err(|error| error.to_string())?);
        let transfer = Transfer {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            upload: Upload::Whole(Bytes::from(form.body(samples))),
        };
        let total = std::time::Duration::from_secs(u64::from(limits::RECOGNITION_RESULT_S));
        let bounds = TransferBounds {
            stall: total,
            total,
            answer_bytes_max: limits::RECOGNITION_LINE_BYTES_MAX,
        };
        self.client.transfer(transfer, bounds).await.map_err(|failure| failure.sentence)
    }
}

/// What services of one model take as the name of it.
const MODEL: &str = "whisper-1";
/// Characters of a refusal that are shown.
const BODY_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use audio::AudioIntake;
    use call::recognition::{Endpointing, Lane, UtteranceId};
    use call::{RecognitionId, RecognitionPlan};
    use shared::config::{Config, Layers};
    use shared::media::TapTracks;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;
    use webhook::WebhookSettings;
    use webhook::dns::Resolver;

    use super::*;

    /// A service that knows `json` alone, as some do; the formats of its requests.
    async fn service() -> (String, mpsc::UnboundedReceiver<&'static str>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/audio/transcriptions", listener.local_addr().unwrap());
        let (asked, forms) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, asked.clone()));
            }
        });
        (url, forms)
    }

    async fn serve(mut stream: TcpStream, asked: mpsc::UnboundedSender<&'static str>) {
        let (mut read, mut piece) = (Vec::new(), [0; 4_096]);
        while let Ok(length @ 1..) = stream.read(&mut piece).await {
            read.extend_from_slice(&piece[..length]);
            let text = String::from_utf8_lossy(&read);
            if !text.ends_with("--\r\n") {
                continue;
            }
            let is_verbose = text.contains("verbose_json");
            let (form, answer) = match is_verbose {
                true => ("verbose_json", "400 Bad Request\r\ncontent-length: 4\r\n\r\nno! "),
                false => ("json", "200 OK\r\ncontent-length: 17\r\n\r\n{\"text\":\" Hello\"}"),
            };
            asked.send(form).unwrap();
            stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await.unwrap();
            read.clear();
        }
    }

    #[tokio::test]
    async fn a_service_that_knows_no_verbose_json_is_asked_for_json_and_remembered() {
        let (url, mut forms) = service().await;
        let mut layers = Layers::default();
        let file = format!(
            "[webhook]\nallow_private = [\"127.0.0.0/8\"]\n\
             [[recognition.engine]]\nname = \"plain\"\nkind = \"http\"\nurl = \"{url}\"\n"
        );
        layers.add_file("test.toml", &file).unwrap();
        let config = Config::from_layers(&layers).unwrap();
        let settings = WebhookSettings {
            allow_private: config.webhook.allow_private.clone(),
            ..WebhookSettings::default()
        };
        let resolver = Resolver::fixed(BTreeMap::new(), BTreeMap::new());
        let client = WebhookClient::new(settings, resolver, AudioIntake::new(0)).unwrap();
        let engine = &config.engines[0];
        let service = HttpService::new(engine, client, None, Semaphore::new(1)).unwrap();
        let poll = mio::Poll::new().unwrap();
        let doorbell = shell::Doorbell::new(&poll, mio::Token(0)).unwrap();
        let (sender, _answers) = shell::bounded(1, &doorbell);
        let (_pieces, pieces) = mpsc::unbounded_channel();
        let plan = RecognitionPlan {
            recognition: RecognitionId(1),
            tracks: TapTracks::Inbound,
            language: "en-US".to_owned(),
            hints: Arc::from([]),
            is_grammar: false,
            wants_partials: false,
            is_single: true,
            endpointing: Endpointing { silence_ms: 700, longest_ms: 60_000 },
            lane: Lane::Live,
        };
        let utterance = Utterance::new(UtteranceId(1), &plan, pieces, Arc::new(sender));
        for _ in 0..2 {
            let text = service.ask(&[0; 160], &utterance).await.unwrap();
            assert_eq!((text.text.as_str(), text.confidence), ("Hello", None));
        }
        let asked: Vec<_> = std::iter::from_fn(|| forms.try_recv().ok()).collect();
        assert_eq!(asked, ["verbose_json", "json", "json"]);
    }
}
