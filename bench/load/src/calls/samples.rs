//! The samples of a gateway's `/metrics`. Shell.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::gateway::Gateway;

/// Samples by name with labels, as written.
pub(crate) struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// # Errors
    /// The gateway does not answer.
    pub fn of(gateway: &Gateway) -> io::Result<Self> {
        let mut stream = TcpStream::connect(gateway.http)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", gateway.http);
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(Self::parse(&answer))
    }

    fn parse(text: &str) -> Self {
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let pairs = samples.filter_map(|line| line.trim_end().rsplit_once(' '));
        Self(
            pairs
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    /// Sum over all label values of a metric; 0 where the metric is missing.
    pub fn sum(&self, metric: &str) -> u64 {
        let of_metric = |name: &str| name.split('{').next() == Some(metric);
        self.0.iter().filter(|(name, _)| of_metric(name)).map(|(_, value)| *value as u64).sum()
    }

    /// A metric without labels; 0 where it is missing.
    pub fn value(&self, metric: &str) -> f64 {
        self.0.get(metric).copied().unwrap_or_default()
    }
}

const ANSWER_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_a_metric_are_added_over_their_labels() {
        let text = "HTTP/1.1 200 OK\r\n\r\n# HELP a b\na_total{core=\"0\"} 2\na_total{core=\"1\"} 3\nab 7\n";
        let samples = Samples::parse(text);
        assert_eq!(samples.sum("a_total"), 5);
        assert_eq!(samples.sum("ab"), 7);
        assert_eq!(samples.sum("a"), 0);
        assert!((samples.value("ab") - 7.0).abs() < 1e-9 && samples.value("a_total").abs() < 1e-9);
    }
}
