//! Hosted functions over HTTP: the first answer of a service (its worker starts, the library loads), later ones one by
//! one, and fifty callers at once. Shell.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::calls::gateway::Gateway;
use crate::calls::rest::post;
use crate::endpoint::Trouble;
use crate::report::Section;

/// Services, each of which is cold once, and requests of each warm measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub services: usize,
    pub requests: usize,
}

/// Measures and writes the section; `true` where an answer is not the document.
pub(crate) fn measure(binary: &Path, effort: Effort) -> (Section, bool) {
    let columns = ["function", "requests", "p50 ms", "p99 ms", "most ms"];
    let mut section = Section::new("Hosted functions", &columns);
    section.note("A function that answers <Say> and <Dial>. Bars: cold 300 ms, warm p99 20 ms.");
    match run(binary, effort, &mut section) {
        Ok(()) => (section, false),
        Err(trouble) => {
            section.note(format!("FAILED: {trouble}"));
            (section, true)
        }
    }
}

fn run(binary: &Path, effort: Effort, section: &mut Section) -> Result<(), Trouble> {
    let gateway = Gateway::start(binary, Ipv4Addr::LOCALHOST, "ports = \"20000-20399\"\n")?;
    let mut hosts = Vec::new();
    for number in 0..effort.services {
        hosts.push(deploy(&gateway, &format!("bench{number}"))?);
    }
    let mut cold = histogram();
    for host in &hosts {
        request(gateway.http, host, &mut cold)?;
    }
    row(section, "cold", &cold);
    let host = hosts.last().ok_or("no service")?;
    let mut warm = histogram();
    for _ in 0..effort.requests {
        request(gateway.http, host, &mut warm)?;
    }
    row(section, "warm, one caller", &warm);
    row(section, "warm, 50 callers at once", &crowd(gateway.http, host, effort.requests)?);
    Ok(())
}

fn crowd(http: SocketAddr, host: &str, requests: usize) -> Result<Histogram<u64>, Trouble> {
    let mut all = histogram();
    let parts = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                scope.spawn(move || {
                    let mut own = histogram();
                    for _ in 0..requests.div_ceil(CALLERS) {
                        request(http, host, &mut own).map_err(|trouble| trouble.to_string())?;
                    }
                    Ok::<_, String>(own)
                })
            })
            .collect();
        let join = |caller: thread::ScopedJoinHandle<'_, _>| {
            caller.join().unwrap_or_else(|_| Err("a caller panicked".to_owned()))
        };
        callers.into_iter().map(join).collect::<Result<Vec<_>, String>>()
    })?;
    for part in parts {
        all.add(part)?;
    }
    Ok(all)
}

/// Deploys the function as a service; returns the label of its domain.
fn deploy(gateway: &Gateway, name: &str) -> Result<String, Trouble> {
    let form = |path: &str, body: &str| post(gateway, path, FORM, body);
    let service = form("/v1/Services", &format!("UniqueName={name}&FriendlyName={name}"))?;
    let service = format!("/v1/Services/{service}");
    let environments = format!("{service}/Environments");
    let environment = form(&environments, "UniqueName=production")?;
    let function = form(&format!("{service}/Functions"), "FriendlyName=it")?;
    let part = |name: &str, content: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    };
    let body = part("Path", "/it")
        + &part("Visibility", "public")
        + &part("Content", SCRIPT)
        + "--x--\r\n";
    let versions = format!("{service}/Functions/{function}/Versions");
    let version = post(gateway, &versions, "multipart/form-data; boundary=x", &body)?;
    let build = form(&format!("{service}/Builds"), &format!("FunctionVersions={version}"))?;
    let deployments = format!("{environments}/{environment}/Deployments");
    form(&deployments, &format!("BuildSid={build}"))?;
    label(gateway, name)
}

/// The first label of the only environment's domain, from the list of services.
fn label(gateway: &Gateway, name: &str) -> Result<String, Trouble> {
    let login = crate::calls::rest::login();
    let answer = exchange(
        gateway.http,
        &format!(
            "GET /v1/Services/{name} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {login}\r\nConnection: close\r\n\r\n"
        ),
    )?;
    let base = answer.split("\"domain_base\":\"").nth(1).and_then(|rest| rest.split('"').next());
    base.map(str::to_owned).ok_or_else(|| format!("no domain: {answer}").into())
}

fn request(http: SocketAddr, label: &str, times: &mut Histogram<u64>) -> Result<(), Trouble> {
    let begun = Instant::now();
    let answer = exchange(
        http,
        &format!(
            "GET /functions/{label}/it?From=alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        ),
    )?;
    let micros = u64::try_from(begun.elapsed().as_micros())?;
    if !answer.contains("<Dial>+14155551234</Dial>") {
        return Err(format!("not the document: {answer}").into());
    }
    times.saturating_record(micros);
    Ok(())
}

fn exchange(http: SocketAddr, request: &str) -> Result<String, Trouble> {
    let mut stream = TcpStream::connect(http)?;
    stream.set_read_timeout(Some(Duration::from_secs(15)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("fixed bounds are valid")
}

fn row(section: &mut Section, name: &str, times: &Histogram<u64>) {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let ms = |micros: u64| format!("{:.1}", micros as f64 / 1_000.0);
    let [p50, p99] = [0.5, 0.99].map(|part| ms(times.value_at_quantile(part)));
    section.row([name.to_owned(), times.len().to_string(), p50, p99, ms(times.max())]);
}

const FORM: &str = "application/x-www-form-urlencoded";
const CALLERS: usize = 50;
const SCRIPT: &str = "exports.handler = (context, event, callback) => {
    const twiml = new Twilio.twiml.VoiceResponse();
    twiml.say(`Welcome ${event.From}`);
    twiml.dial('+14155551234');
    callback(null, twiml);
};";
