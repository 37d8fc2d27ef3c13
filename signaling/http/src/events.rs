//! Streams of events to clients that stay connected (`text/event-stream`, HTML §9.2). Shell, on tokio.
//!
//! Whoever has events holds an [`EventSender`] and never waits: a client that reads too slowly has
//! [`HTTP_EVENTS_WAITING_MAX`] events waiting, and the next one ends its stream. It then reads what waits,
//! connects again, as every `EventSource` does, and begins with the present. A stream without events sends
//! a comment now and then, so that a client that is gone is noticed by the write.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Response, header};
use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Frame};
use shared::limits::{HTTP_EVENT_BYTES_MAX, HTTP_EVENT_STREAMS_MAX, HTTP_EVENTS_WAITING_MAX};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Sleep, sleep};

use crate::body::{Body, whole_body};
use crate::metrics::HttpMetrics;

/// The places of event streams, of all listeners together.
#[derive(Clone, Debug)]
pub struct EventStreams(Arc<Semaphore>);

impl Default for EventStreams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HTTP_EVENT_STREAMS_MAX)))
    }
}

/// The end that has the events. Dropping it ends the stream after what waits.
#[derive(Debug)]
pub struct EventSender {
    /// `None` once the client was too slow.
    queue: Option<mpsc::Sender<Bytes>>,
    metrics: Arc<HttpMetrics>,
}

/// An event was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// The event is longer than [`HTTP_EVENT_BYTES_MAX`]; the stream goes on.
    TooLong,
    /// The client is gone, or was too slow: drop the sender.
    Over,
}

impl EventStreams {
    /// A new stream; `None` without a place.
    pub(crate) fn open(&self, metrics: &Arc<HttpMetrics>) -> Option<(EventSender, Response<Body>)> {
        self.open_with(metrics, IDLE_MAX)
    }

    fn open_with(
        &self,
        metrics: &Arc<HttpMetrics>,
        idle_max: Duration,
    ) -> Option<(EventSender, Response<Body>)> {
        let permit = Arc::clone(&self.0).try_acquire_owned().ok()?;
        let (queue, events) = mpsc::channel(HTTP_EVENTS_WAITING_MAX);
        let place = Place { _permit: permit, metrics: Arc::clone(metrics) };
        metrics.http_event_streams_open.add(1);
        let idle = Box::pin(sleep(idle_max));
        let body = EventBody { events, idle_max, idle, _place: place }.boxed();
        let sender = EventSender { queue: Some(queue), metrics: Arc::clone(metrics) };
        Some((sender, of_events(body)))
    }
}

/// What a HEAD reads of an event stream.
pub(crate) fn head() -> Response<Body> {
    of_events(whole_body(""))
}

fn of_events(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl EventSender {
    /// Sends an event with this name; `data` may have several lines. Never blocks.
    ///
    /// # Errors
    /// [`NotSent`].
    pub fn send(&mut self, name: &'static str, data: &str) -> Result<(), NotSent> {
        debug_assert!(!name.contains(['\r', '\n']), "a name is one line");
        let queue = self.queue.as_ref().ok_or(NotSent::Over)?;
        let event = written(name, data);
        if event.len() > HTTP_EVENT_BYTES_MAX {
            return Err(NotSent::TooLong);
        }
        match queue.try_send(event.into()) {
            Ok(()) => Ok(()),
            Err(error) => {
                if matches!(error, mpsc::error::TrySendError::Full(_)) {
                    self.metrics.http_event_streams_slow_total.count();
                }
                self.queue = None;
                Err(NotSent::Over)
            }
        }
    }
}

/// Each line of the data becomes a field of its own: a line break in it cannot begin another field.
fn written(name: &str, data: &str) -> String {
    let mut event = format!("event: {name}\n");
    for line in data.replace("\r\n", "\n").split(['\r', '\n']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    event
}

/// One stream's place, free again when the client or the sender ends it.
#[derive(Debug)]
struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<HttpMetrics>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.http_event_streams_open.add(-1);
    }
}

struct EventBody {
    events: mpsc::Receiver<Bytes>,
    idle_max: Duration,
    /// Runs out when nothing was sent for `idle_max`.
    idle: Pin<Box<Sleep>>,
    _place: Place,
}

impl hyper::body::Body for EventBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let bytes = match self.events.poll_recv(context) {
            Poll::Ready(Some(event)) => event,
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending if self.idle.as_mut().poll(context).is_pending() => return Poll::Pending,
            Poll::Pending => Bytes::from_static(b":\n\n"),
        };
        let next = Instant::now() + self.idle_max;
        self.idle.as_mut().reset(next);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }
}

/// Time without events after which a comment is sent; proxies close idle responses after 30 s or more.
const IDLE_MAX: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_client_reads_what_waited_and_then_the_end() {
        let (streams, metrics) = (EventStreams::default(), Arc::new(HttpMetrics::default()));
        let (mut sender, response) = streams.open(&metrics).expect("a place");
        for number in 0..HTTP_EVENTS_WAITING_MAX {
            assert_eq!(sender.send("n", &number.to_string()), Ok(()));
        }
        assert_eq!(sender.send("n", "late"), Err(NotSent::Over));
        assert_eq!(metrics.http_event_streams_slow_total.value(), 1);
        let read = response.into_body().collect().await.expect("the end").to_bytes();
        let last = format!("event: n\ndata: {}\n\n", HTTP_EVENTS_WAITING_MAX - 1);
        assert!(read.ends_with(last.as_bytes()), "{read:?}");
        assert_eq!(sender.send("n", "later"), Err(NotSent::Over));
        assert_eq!(metrics.http_event_streams_slow_total.value(), 1, "once a stream");
    }

    #[tokio::test]
    async fn a_stream_without_events_sends_a_comment_and_a_long_event_is_left_out() {
        let (streams, metrics) = (EventStreams::default(), Arc::new(HttpMetrics::default()));
        let (mut sender, response) =
            streams.open_with(&metrics, Duration::from_millis(20)).expect("a place");
        let mut body = response.into_body();
        let frame = body.frame().await.expect("a frame").expect("sound").into_data();
        assert_eq!(frame.expect("data"), ":\n\n");
        let long = "x".repeat(HTTP_EVENT_BYTES_MAX);
        assert_eq!(sender.send("n", &long), Err(NotSent::TooLong));
        assert_eq!(sender.send("n", "a\r\nb\nevent: forged"), Ok(()));
        drop(sender);
        let read = body.collect().await.expect("the end").to_bytes();
        assert_eq!(read, "event: n\ndata: a\ndata: b\ndata: event: forged\n\n");
    }

    #[tokio::test]
    async fn places_are_bounded_and_free_again_when_a_client_goes() {
        let (streams, metrics) = (EventStreams::default(), Arc::new(HttpMetrics::default()));
        let mut open: Vec<_> =
            (0..HTTP_EVENT_STREAMS_MAX).map(|_| streams.open(&metrics).expect("a place")).collect();
        assert!(streams.open(&metrics).is_none());
        let (mut sender, response) = open.pop().expect("a stream");
        drop(response);
        assert_eq!(sender.send("n", "x"), Err(NotSent::Over), "the client is gone");
        assert!(streams.open(&metrics).is_some());
        drop(open);
        assert_eq!(metrics.http_event_streams_open.value(), 0);
    }
}
